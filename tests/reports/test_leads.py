from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from calque.reports.folder import read_run
from calque.reports.leads import Lead, leads
from calque.reports.verdict import english, verdict


def leads_of(folder: Path) -> tuple[Lead, ...]:
    run = read_run(folder)
    return leads(run, verdict(run), english(run))


def test_what_is_said_of_a_comparison(run_folder: Path) -> None:
    """In English cross-it keeps all it had; that alpaca-it lost is no matter of the second role."""
    (lead,) = leads_of(run_folder)
    assert (lead.first, lead.second) == ("alpaca", "cross")
    assert lead.tally == {"higher": 1, "no difference shown": 1}
    assert lead.efforts is not None
    assert [effort.steps for effort in lead.efforts] == [(3, 3), (3, 3)]
    assert lead.english == {"no difference shown": 1}


def test_english_is_that_of_the_second_role(run_folder: Path) -> None:
    path = run_folder / "manifest.json"
    path.write_text(path.read_text().replace('[["alpaca", "cross"]]', '[["cross", "alpaca"]]'))
    assert leads_of(run_folder)[0].english == {"lower": 1}


def test_nothing_is_said_where_nothing_was_paired(make_run: Callable[..., Path]) -> None:
    assert leads_of(make_run(cross_it_it=None, cross_ar_ar=None, cross_it_en=None)) == ()
