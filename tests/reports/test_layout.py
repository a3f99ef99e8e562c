from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calque.reports.folder import read_run
from calque.reports.layout import Answered, layout
from calque.reports.run import Run, System
from calque.reports.verdict import verdict


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
