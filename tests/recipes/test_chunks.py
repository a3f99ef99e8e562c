"""Long work in chunks: what is done is on disk, and comes back to the letter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from calque.recipes.steps import chunks
from calque.recipes.steps.chunks import in_chunks


def test_what_is_done_is_not_done_again_and_texts_keep_their_ends_of_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 2)
    texts = ["a\u2028b", "c\u0085d", "e\x0bf\x1cg", "h\ni\rj", "k"]
    asked: list[str] = []

    def write(some: Sequence[str]) -> list[Mapping[str, Any]]:
        asked.extend(some)
        if "k" in some and len(asked) == 5:
            raise KeyboardInterrupt
        return [{"text": text} for text in some]

    with pytest.raises(KeyboardInterrupt):
        list(in_chunks(tmp_path, texts, write))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "chunk-000000.jsonl",
        "chunk-000001.jsonl",
    ]
    assert list(in_chunks(tmp_path, texts, write)) == [(text, {"text": text}) for text in texts]
    assert asked == [*texts, "k"]
    assert list(tmp_path.iterdir()) == []
