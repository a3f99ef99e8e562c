"""What people said: win rates, agreement and the join with a judge, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from calque.reports.folder import read_run
from calque.reports.page import write_report
from calque.reports.people import people


def test_nobody_rated(open_run: Path, tmp_path: Path) -> None:
    assert people(read_run(open_run)) is None
    assert "What people say" not in write_report([open_run], tmp_path / "r.html").read_text("utf-8")


def test_a_win_counts_by_item_and_ties_half(open_run: Path, rate: Any) -> None:
    """o0: both say second, 1; o1: one of two, the other equal, .75; o2: first, 0; o3: both bad, .5; o4: the same, .5."""
    rate(o0="22", o1="20", o2="1", o3="9", o4="=")
    found = people(read_run(open_run))
    assert found is not None
    (row,) = found.comparisons
    assert (row.first, row.second, row.language) == ("alpaca", "cross", "it")
    assert row.win_rate.value == pytest.approx((1 + 0.75 + 0 + 0.5 + 0.5) / 5)
    assert row.win_rate.low <= row.win_rate.value <= row.win_rate.high
    assert row.win_rate.verdict == "too few to say"
    assert (row.items, row.raters) == (5, 2)
    assert row.verdicts == {"second": 3, "tie": 1, "first": 1, "both_bad": 1, "same": 1}
    assert row.alpha.units == 2, "o0 and o1; observed 2 of 4, expected 2·3·1 of 4·3"
    assert row.alpha.value == pytest.approx(1 - (2 / 4) / (6 / 12))
    assert found.raters == ("r0", "r1")


def test_the_recipe_says_which_system_is_the_baseline(open_run: Path, rate: Any) -> None:
    rate(**{f"o{i}": "2" for i in range(30)})
    manifest = open_run / "manifest.json"
    first = people(read_run(open_run))
    manifest.write_text(manifest.read_text().replace('[["alpaca", "cross"]]', '[["cross", "alpaca"]]'))
    second = people(read_run(open_run))
    assert first is not None
    assert second is not None
    assert [(c.second, c.win_rate.value, c.win_rate.verdict) for c in first.comparisons] == [
        ("cross", 1.0, "better")
    ]
    assert [(c.second, c.win_rate.value, c.win_rate.verdict) for c in second.comparisons] == [
        ("alpaca", 0.0, "worse")
    ]
    assert math.isnan(first.comparisons[0].alpha.value)


def test_an_even_split_shows_no_difference(open_run: Path, rate: Any, tmp_path: Path) -> None:
    rate(**{f"o{i}": "12"[i % 2] for i in range(40)})
    found = people(read_run(open_run))
    assert found is not None
    assert found.comparisons[0].win_rate.value == 0.5
    assert found.comparisons[0].win_rate.verdict == "no difference shown"
    page = write_report([open_run], tmp_path / "r.html").read_text("utf-8")
    assert 'title="a win rate so far from 50 would have been found' in page


def test_a_judge_is_held_against_what_most_raters_said(open_run: Path, rate: Any) -> None:
    """o0: second by two of three; o1: split; o2: both bad, which is no win; o3: first; the judge has no word on o4."""
    rate(o0="221", o1="12", o2="99", o3="1", o4="2")

    def key(item: str, *systems: str) -> tuple[str, str, str, str, str]:
        first, second = systems or ("alpaca-it", "cross-it")
        return "open", "it", item, first, second

    verdicts = {key("o0"): "second", key("o1"): "first", key("o2"): "tie", key("o9"): "tie"}
    verdicts[key("o3", "cross-it", "alpaca-it")] = "first"
    found = people(read_run(open_run), {"judge": verdicts})
    assert found is not None
    ((judged,),) = [row.judged for row in found.comparisons]
    assert (judged.judge, judged.n) == ("judge", 3)
    assert judged.share == pytest.approx(2 / 3)
    # second/second, tie/tie, first/second: observed 2 of 6, expected 6² − (1 + 9 + 4) of 6·5.
    assert judged.alpha.value == pytest.approx(1 - (2 / 6) / (22 / 30))


def test_what_no_longer_stands_is_told_and_does_not_count(open_run: Path, rate: Any, tmp_path: Path) -> None:
    rate(o0="2", o1="1")
    answers = open_run / "steps" / "evaluate-cross-it-open-it" / "answers.jsonl"
    lines = answers.read_text("utf-8").splitlines()
    answers.write_text(
        "\n".join([lines[0].replace("Perché sì", "Perché no"), *lines[1:]]) + "\n", encoding="utf-8"
    )
    found = people(read_run(open_run))
    assert found is not None
    assert (found.gone, found.comparisons[0].items) == (1, 1)
    page = write_report([open_run], tmp_path / "r.html").read_text("utf-8")
    assert "1 rating is of answers that the run no longer holds" in page
    assert "What people say" in page
