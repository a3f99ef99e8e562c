from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calque.reports.folder import read_run
from calque.reports.layout import Answered, layout, portions
from calque.reports.numbers import percent
from calque.reports.run import Run, System
from calque.reports.verdict import Cell, verdict


def with_roles(run: Run, *roles: str) -> Run:
    """The run with more roles of which nothing was asked."""
    systems = (*run.manifest.systems, *(System(f"{role}-it", role, "it") for role in roles))
    return replace(run, manifest=replace(run.manifest, systems=systems))


def test_a_difference_stands_beside_few_systems(run_folder: Path) -> None:
    (table,) = layout(verdict(read_run(run_folder)))
    assert [head.label for head in table.across] == ["base", "alpaca", "cross", "cross − alpaca", "answered"]
    assert [(head.label, head.where) for head in table.down] == [
        ("xquad exact match", "it"), ("xquad exact match", "ar"), ("xquad exact match", ""),
    ]  # fmt: skip
    assert table.entries[0][-1] == Answered((40, 40), 40, (0.95, 0.95))


def test_differences_have_a_table_before_the_scores_where_one_would_be_too_wide(run_folder: Path) -> None:
    run = read_run(run_folder)
    several = (("alpaca", "cross"), ("base", "cross"))
    for wide in (
        replace(run, manifest=replace(run.manifest, comparisons=several)),
        with_roles(run, "fourth", "fifth"),
    ):
        differences, scores = layout(verdict(wide))
        assert differences.across[0].label == "cross − alpaca"
        assert [head.label for head in scores.across[:3]] == ["base", "alpaca", "cross"]
        assert differences.down == scores.down
    assert len(layout(verdict(with_roles(run, "fourth")))) == 1


def test_nothing_scored_is_no_table(run_folder: Path) -> None:
    assert layout(verdict(replace(read_run(run_folder), scores=()))) == ()


def test_many_systems_stand_down_and_benchmarks_across(many_run: Path) -> None:
    """System k of 24 has k of 20 right: the last but one row is 100.0, the last is what was answered."""
    differences, scores = layout(verdict(read_run(many_run)))
    assert (differences.down_is, scores.down_is) == ("comparison", "system")
    assert (scores.title.text, scores.title.where) == ("", "it")
    assert [head.label for head in scores.across] == [
        "xquad exact match", "mlqa exact match", "mmlu exact match", "bbh exact match",
    ]  # fmt: skip
    assert [head.label for head in scores.down] == [
        "base", *(f"method-{k:02}" for k in range(1, 25)), "answered",
    ]  # fmt: skip
    assert [percent(e.value) for e in scores.entries[3] if isinstance(e, Cell)] == ["15.0"] * 4
    assert scores.entries[-1] == (Answered((20, 20), 20, (0.95, 0.95)),) * 4
    assert [head.label for head in differences.down] == [f"method-{k:02} − method-01" for k in range(2, 25)]


def test_of_many_systems_every_metric_has_a_table_for_each_benchmark(many_run: Path) -> None:
    tables = layout(verdict(read_run(many_run), every_metric=True))
    assert [t.title.text for t in tables[::2]] == ["xquad", "mlqa", "mmlu", "bbh"]
    assert [[head.label for head in t.across] for t in tables] == [["exact match", "f1"]] * 8


def test_turned_tables_are_of_one_language_each(run_folder: Path) -> None:
    run = with_roles(read_run(run_folder), *"defg")
    assert [t.title.where for t in layout(verdict(run))[1::2]] == ["it", "ar", ""]
    assert len(layout(verdict(with_roles(read_run(run_folder), *"def")))) == 2, "six stand side by side"


def test_what_is_wider_than_a_page_stands_in_portions_as_even_as_can_be(wide_run: Path) -> None:
    """21 benchmarks in three tables, for the differences and for the scores."""
    tables = layout(verdict(read_run(wide_run)))
    assert [len(table.across) for table in tables] == [7] * 6
    assert [table.down_is for table in tables] == ["comparison"] * 3 + ["system"] * 3
    assert [len(row) for row in tables[5].entries] == [7] * 11
    assert [list(part) for part in portions("abcdefghi")] == [list("abcd"), list("efghi")]
    assert portions("abcdefg") == ["abcdefg"]
    assert portions("") == []
