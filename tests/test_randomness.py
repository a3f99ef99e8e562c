from __future__ import annotations

import hashlib

from calque.randomness import rank, stream


def test_streams_follow_from_seed_and_names_alone() -> None:
    assert (
        stream(7, "mix", "a").integers(1 << 30, size=3).tolist()
        == stream(7, "mix", "a").integers(1 << 30, size=3).tolist()
    )
    first = {
        tuple(stream(*key).integers(1 << 30, size=3).tolist())
        for key in ((7, "a"), (8, "a"), (7, "b"), (7, "a", "b"))
    }
    assert len(first) == 4


def test_names_cannot_run_together() -> None:
    assert rank(1, "ab", "c") != rank(1, "a", "bc")
    assert rank(1, "a") == hashlib.sha256(b'[1, "a"]').digest()


def test_the_numbers_stay_the_same_from_version_to_version() -> None:
    """A seed in a published recipe must go on giving the same data."""
    assert stream(0, "translation", "it", "draw").integers(1000, size=5).tolist() == [409, 665, 627, 816, 399]
