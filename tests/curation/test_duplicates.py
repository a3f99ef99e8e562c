from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import calque.curation.duplicates
from calque.curation.duplicates import Duplicates
from calque.near import near_duplicates, plain, signatures
from calque.records import Passage, Provenance

PROSE = (
    "La volpe attraversò il fiume di notte, e nessuno nel villaggio la sentì passare. Al mattino i bambini trovarono le sue "
    "orme nella neve fresca e le seguirono fino al bosco, dove gli alberi erano più fitti e il vento non arrivava mai."
)


def passage(text: str, row: int = 1) -> Passage:
    return Passage(text, "it", Provenance("a.txt", row))


def test_duplicates_name_the_first_that_is_kept(tmp_path: Path) -> None:
    other = "Il treno partì in ritardo per via della neve. " + PROSE[::-1]
    near = PROSE.replace("volpe", "lepre")
    texts = [PROSE, other, PROSE.upper(), near, other]
    passages = [passage(text, row) for row, text in enumerate(texts)]
    duplicates = Duplicates(0.7, tmp_path)
    for one in passages:
        duplicates.add(one)
    found = list(duplicates.drops())
    assert [drop.reason if drop else "" for drop in found] == [
        "",
        "",
        "duplicate",
        "near_duplicate",
        "duplicate",
    ]
    assert [
        drop and passages[first].id in drop.detail for drop, first in zip(found[2:], (0, 0, 1), strict=True)
    ] == [True] * 3


def test_near_duplicates_may_be_kept(tmp_path: Path) -> None:
    duplicates = Duplicates(None, tmp_path)
    for text in (PROSE, PROSE.replace("volpe", "lepre"), PROSE):
        duplicates.add(passage(text))
    assert [drop.reason if drop else "" for drop in duplicates.drops()] == ["", "", "duplicate"]
    assert list(Duplicates(0.7, tmp_path).drops()) == list(Duplicates(None, tmp_path).drops()) == []


def test_which_is_kept_follows_from_the_order_alone(tmp_path: Path) -> None:
    """100 texts, each thrice in a shuffled order: once is kept, and it is the first."""
    draw = random.Random(3)
    base = [" ".join(draw.choices(PROSE.split(), k=30)) for _ in range(100)]
    rows = [i for i in range(100) for _ in range(3)]
    draw.shuffle(rows)
    duplicates = Duplicates(0.95, tmp_path)
    for i in rows:
        duplicates.add(passage(base[i]))
    kept = [i for i, drop in zip(rows, duplicates.drops(), strict=True) if drop is None]
    assert kept == list(dict.fromkeys(rows))
    assert Counter(kept).most_common(1)[0][1] == 1


VARIANTS = [
    PROSE,
    PROSE[:-3],
    PROSE.replace("volpe", "lepre"),
    PROSE[60:],
    PROSE[60:-9],
    PROSE.upper(),
    "a",
    "b",
    " ",
]


@settings(max_examples=25, deadline=None)
@given(rows=st.lists(st.sampled_from(VARIANTS), max_size=16), keys=st.integers(1, 5))
def test_on_disk_and_in_parts_as_in_memory(
    rows: list[str], keys: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Copies aside, what is dropped is what `near_duplicates` finds among all signatures at once."""
    duplicates = Duplicates(0.6, tmp_path_factory.getbasetemp())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calque.curation.duplicates, "_KEYS", keys)
        for row, text in enumerate(rows):
            duplicates.add(passage(text, row))
        found = [drop.reason if drop else "" for drop in duplicates.drops()]
    first: dict[str, int] = {}
    fresh = [row for row, text in enumerate(rows) if first.setdefault(plain(text), row) == row]
    twins = near_duplicates(signatures([rows[row] for row in fresh]), threshold=0.6)
    expected = ["duplicate"] * len(rows)
    for row, twin in zip(fresh, twins.tolist(), strict=True):
        expected[row] = "" if twin < 0 else "near_duplicate"
    assert found == expected


def test_nothing_is_left_on_disk(tmp_path: Path) -> None:
    duplicates = Duplicates(0.7, tmp_path)
    duplicates.add(passage(PROSE))
    assert list(duplicates.drops()) == [None]
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_hold_the_passages(tmp_path: Path) -> None:
    """5,000 passages, whose signatures alone are 2.5 MB: less than 100 kB is held."""
    import tracemalloc

    duplicates = Duplicates(0.7, tmp_path)
    letters = np.array(list("abcdefghilmnopqrstuvz"))
    draw = np.random.default_rng(1)
    texts = ["".join(letters[draw.integers(0, len(letters), 60)]) for _ in range(5_000)]
    duplicates.add(passage(texts[0]))
    tracemalloc.start()
    for text in texts[1:]:
        duplicates.add(passage(text))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000
    assert all(drop is None for drop in duplicates.drops())
