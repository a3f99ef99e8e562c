from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from calque.reports.folder import read_run
from calque.reports.numbers import percent
from calque.reports.verdict import english, verdict


def test_the_table_of_the_paper(run_folder: Path) -> None:
    """Each role in each language, and the mean over languages; 36 of 40 are 90.0, 20 are 50.0."""
    table = verdict(read_run(run_folder))
    assert [column.role for column in table.columns] == ["base", "alpaca", "cross"]
    assert [row.language for row in table.rows] == ["it", "ar", ""]
    cells = [[percent(cell.value) if cell else "" for cell in row.cells] for row in table.rows]
    assert cells == [["0.0", "50.0", "90.0"], ["0.0", "25.0", "25.0"], ["0.0", "37.5", "57.5"]]
    assert [row.n for row in table.rows] == [40, 40, 80]


def test_differences_are_paired(run_folder: Path) -> None:
    """In Italian 16 of 40 questions more are right: 40 points. In Arabic the same ones are: no difference at all."""
    italian, arabic, mean = (row.differences[0] for row in verdict(read_run(run_folder)).rows)
    assert italian is not None
    assert (italian.value, italian.verdict, italian.n) == (0.4, "higher", 40)
    assert 0.2 < italian.low < 0.3 < 0.5 < italian.high < 0.6
    assert arabic is not None
    assert (arabic.value, arabic.low, arabic.high, arabic.verdict) == (0.0, 0.0, 0.0, "no difference shown")
    assert mean is not None
    assert mean.value == 0.2
    assert verdict(read_run(run_folder)).tally(0) == {"higher": 1, "no difference shown": 1}


def test_a_role_without_a_score_has_no_mean(make_run: Callable[..., Path]) -> None:
    table = verdict(read_run(make_run(cross_ar_ar=None)))
    assert [row.cells[2] is None for row in table.rows] == [False, True, True]
    assert [row.differences[0] is None for row in table.rows] == [False, True, True]


def test_what_english_cost(run_folder: Path) -> None:
    found = {row.system.name: row.cells["xquad"] for row in english(read_run(run_folder))}
    assert set(found) == {"base", "alpaca-it", "cross-it"}
    assert found["base"][1] is None
    lost, kept = found["alpaca-it"][1], found["cross-it"][1]
    assert lost is not None
    assert kept is not None
    assert (lost.value, lost.verdict) == (-0.5, "lower")
    assert (kept.value, kept.verdict) == (0.0, "no difference shown")


def test_a_benchmark_without_gold_answers_is_shown_and_not_counted(open_run: Path) -> None:
    table = verdict(read_run(open_run))
    row = table.rows[-1]
    assert (row.benchmark, row.metric, row.language) == ("open", "finished", "it")
    assert [percent(cell.value) if cell else None for cell in row.cells] == [None, "0.0", "100.0"]
    assert row.differences[0] is not None
    assert (row.differences[0].value, row.differences[0].verdict) == (1.0, "not graded")
    assert table.ungraded == ("open",)
    assert table.tally(0) == {"higher": 1, "no difference shown": 1}
