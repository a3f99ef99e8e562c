"""Real rows in a real script: what is trained on is the response, whole, and nothing else."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.corpora.alpaca import read_alpaca
from calque.prompts.encoding import make_encoder
from calque.records import Demonstration
from calque.tuning.encode import check_stop_tokens, encode_demonstrations


@pytest.mark.real_data
@pytest.mark.parametrize("template", ["alpaca", "plain", "chat"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_trained_tokens_are_the_response(
    foundry: Any, chatml: str, data_folder: Path, language: str, template: str
) -> None:
    path = data_folder / "alpaca-en-zh" / f"alpaca_data-0-3252-{language}.json.gz"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    rows = [r for r in islice(read_alpaca(path, language), 300) if isinstance(r, Demonstration)]
    encoder = make_encoder(foundry.tokenizer("bytes", chatml if template == "chat" else None), template)
    encoding = encode_demonstrations(rows, encoder, max_tokens=100_000, overlong="error")
    encoded = encoding.arrays()
    assert len(encoded) == len(rows) > 250
    check_stop_tokens(encoded, [encoder.stop_id], truncated=0)
    prompts = encoder.encode_prompts([row.messages[:1] for row in rows])
    for i, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        ids, trained = encoded.row(i)
        assert ids[: len(prompt)].tolist() == prompt
        answer = ids[np.flatnonzero(trained)].tolist()
        assert encoder.tokenizer.decode(answer[:-1]) == row.messages[1].text
    (count,) = encoding.counts.values()
    assert (count.language, count.rows) == (language, len(rows))
