"""What tests of tuning share: encoded rows of chosen lengths, and settings under which two runs can be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calque.engines.loading import ModelFiles
from calque.randomness import stream
from calque.tuning.encode import EncodedSet
from calque.tuning.settings import TuningSettings


def random_rows(lengths: Sequence[int], vocabulary: int = 300, seed: int = 0) -> EncodedSet:
    """Rows of the given lengths, the second half of each trained."""
    draw = stream(seed, "rows")
    tokens = draw.integers(5, vocabulary, sum(lengths)).astype(np.int32)
    trained = np.concatenate([np.arange(n) >= max(1, n // 2) for n in lengths])
    return EncodedSet(tokens, trained, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))


@pytest.fixture(scope="session")
def rows() -> EncodedSet:
    """24 rows of 4 to 40 tokens."""
    return random_rows(stream(1, "lengths").integers(4, 40, 24).tolist())


@pytest.fixture
def settings() -> Callable[..., TuningSettings]:
    """Settings without dropout, in fp32, 8 rows a step."""

    def make(**changes: Any) -> TuningSettings:
        lora = {"dropout": 0.0, **changes.pop("lora", {})}
        plain = {"precision": "fp32", "examples_per_step": 8, "learning_rate": 0.01, "lora": lora}
        return TuningSettings(**{**plain, **changes})

    return make


@pytest.fixture(scope="session")
def base(foundry: Any) -> ModelFiles:
    """A random Llama."""
    folder: Path = foundry.model("llama", "bytes")
    return ModelFiles("tiny", folder)
