"""Long work with a model, chunk by chunk: what is done is on disk, and a stopped step goes on behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from calque.corpora.writing import write_jsonl

Item = TypeVar("Item")
CHUNK = 1024  # items: minutes of work for a large model


def in_chunks(
    folder: Path, items: Sequence[Item], do: Callable[[Sequence[Item]], Sequence[Mapping[str, Any]]]
) -> Iterator[tuple[Item, dict[str, Any]]]:
    """Each item with its row: `do` gives those of a chunk in its order. All are done before the first one is given."""
    files = [folder / f"chunk-{start // CHUNK:06}.jsonl" for start in range(0, len(items), CHUNK)]
    for i, file in enumerate(files):
        if not file.is_file():
            write_jsonl(file, do(items[i * CHUNK : (i + 1) * CHUNK]))
    for i, file in enumerate(files):
        rows = file.read_text(encoding="utf-8").split("\n")[:-1]  # texts hold other ends of lines
        for item, row in zip(items[i * CHUNK : (i + 1) * CHUNK], rows, strict=True):
            yield item, json.loads(row)
    for file in files:
        file.unlink()
