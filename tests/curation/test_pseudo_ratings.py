"""The three levels: what each is made of, lengths that tell nothing, and a held-out part that shares no item."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

from calque.curation.pseudo_ratings import PseudoRatings, Rated, length_matched, pseudo_ratings
from calque.records import CrossLingualPair, Provenance

SOURCE = Provenance("seed.json", 1)


def pair(i: int, response: str, english: str = "") -> CrossLingualPair:
    return CrossLingualPair(f"Tell of {i}.", response, "it", SOURCE, english=english)


def seeds(count: int, english: bool = False) -> list[CrossLingualPair]:
    return [
        pair(i, f"Il cane {i} dorme. Il gatto {i} corre.", f"Dog {i} sleeps." if english else "")
        for i in range(count)
    ]


def made(rows: list[CrossLingualPair], **changes: Any) -> PseudoRatings:
    middle = {row.id: replace(row, response="Il cane mangia.") for row in rows}
    earlier = {row.id: replace(row, response="il il il") for row in rows}
    settings: dict[str, Any] = {"worst": {"earlier": 1.0}, "match_lengths": False, "seed": 0, **changes}
    return pseudo_ratings(rows, settings.pop("middle", middle), earlier, **settings)


def of_level(found: PseudoRatings, level: int) -> list[Rated]:
    return [row for row in found.rows if row.level == level]


def test_each_item_has_a_row_of_each_level() -> None:
    found = made(seeds(8))
    assert [r.pair.response for r in of_level(found, 2)] == ["Il cane mangia."] * 8
    assert [r.pair.response for r in of_level(found, 1)] == ["il il il"] * 8
    assert {r.pair.instruction for r in of_level(found, 3)} == {f"Tell of {i}." for i in range(8)}
    assert found.counts["levels"] == {"learn": {"1": 6, "2": 6, "3": 6}, "measure": {"1": 2, "2": 2, "3": 2}}
    assert found.counts["made_from"] == {"earlier": 8, "own": 8, "seed": 8}
    learnt = {r.pair.instruction for r in found.rows if r.use == "learn"}
    assert not learnt & {r.pair.instruction for r in found.rows if r.use == "measure"}


def test_the_worst_are_dealt_in_the_proportions_asked() -> None:
    shares = {"earlier": 1.0, "mismatched": 2.0, "truncated": 1.0}
    counts = made(seeds(40), worst=shares).counts["made_from"]
    assert {kind: counts[kind] for kind in shares} == {"earlier": 10, "mismatched": 20, "truncated": 10}
    mismatched = of_level(made(seeds(40), worst={"mismatched": 1.0}), 1)
    own = {p.instruction: p.response for p in seeds(40)}
    assert all(own[r.pair.instruction] != r.pair.response for r in mismatched)
    for row in of_level(made(seeds(40), worst={"truncated": 1.0}), 1):
        whole = own[row.pair.instruction]
        assert whole.startswith(row.pair.response)
        assert 0.3 < len(row.pair.response) / len(whole) < 0.81


def test_the_wrong_language_is_english_or_another() -> None:
    english = of_level(made(seeds(4, english=True), worst={"wrong_language": 1.0}), 1)
    assert {r.pair.response for r in english} == {f"Dog {i} sleeps." for i in range(4)}
    foreign = [CrossLingualPair("x", "Koira nukkuu.", "fi", SOURCE)]
    other = of_level(made(seeds(4), worst={"wrong_language": 1.0}, foreign=foreign), 1)
    assert {r.pair.response for r in other} == {"Koira nukkuu."}
    for row in of_level(made(seeds(4), worst={"wrong_language": 1.0}), 1):
        i = row.pair.instruction.split()[-1].rstrip(".")
        assert row.pair.response in (f"Tell of {i}. Il gatto {i} corre.", f"Il cane {i} dorme. Tell of {i}.")


def test_what_is_no_level_is_dropped_and_counted() -> None:
    rows = seeds(8)
    middle = {rows[0].id: rows[0], rows[1].id: replace(rows[1], response=" ")}
    found = made(rows, middle=middle)
    assert found.counts["dropped"] == {"empty": 7, "same_as_seed": 1}
    assert found.counts["rows"] == found.counts["kept"] + 8 == 24


def test_a_bad_pair_of_another_kind_stands_in_where_a_length_is_lacking() -> None:
    rows = [pair(i, f"Il cane dorme. {'Il gatto corre. ' * (i % 7)}".strip()) for i in range(128)]
    middle = {row.id: replace(row, response=row.response.replace("cane", "lupo")) for row in rows}
    settings: dict[str, Any] = {
        "middle": middle,
        "worst": {"truncated": 3.0, "mismatched": 1.0},
        "match_lengths": True,
    }
    found = made(rows, **settings)
    assert found.counts["levels"]["learn"]["1"] == found.counts["levels"]["learn"]["3"] >= 72
    assert found.counts["made_from"]["mismatched"] > 32 > 0 < found.counts["made_from"]["truncated"]
    assert found.counts["rows"] == found.counts["kept"] + sum(found.counts["dropped"].values()) == 3 * 128
    assert not [row for row in found.rows if row.reserve and row.made_from == "seed"]


def test_lengths_tell_nothing_of_the_level() -> None:
    random = np.random.default_rng(0)
    rows = []
    for level, mean in ((1, 80), (2, 150), (3, 120)):
        for i, length in enumerate(random.normal(mean, 40, 900).clip(10, 400).astype(int)):
            rows.append(Rated(pair(i, "x" * int(length)), level, "made"))
    before, after = rows, length_matched(rows, 0)

    def lengths(some: list[Rated], level: int) -> list[int]:
        return [len(r.pair.response) for r in some if r.level == level]

    assert ks_2samp(lengths(before, 1), lengths(before, 3)).pvalue < 1e-20
    counts = [len(lengths(after, level)) for level in (1, 2, 3)]
    assert counts[0] == counts[1] == counts[2] > 300
    for one, other in ((1, 2), (2, 3), (1, 3)):
        assert ks_2samp(lengths(after, one), lengths(after, other)).pvalue > 0.01
