from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from calque.reports.asked import Asked, questions
from calque.reports.counts import Counts
from calque.reports.folder import read_run


@pytest.fixture
def too_long(run_folder: Path) -> Path:
    """Of cross-ar's 40 prompts 30 did not fit."""
    path = run_folder / "steps" / "evaluate-cross-ar-xquad-ar" / "counts.json"
    notes = '"notes": {"gold_not_in_context": 2, "prompt_too_long": 30}'
    path.write_text(path.read_text().replace('"notes": {"gold_not_in_context": 2}', notes))
    return run_folder


def test_systems_of_the_same_counts_stand_together(too_long: Path) -> None:
    found = questions(read_run(too_long))
    assert [(a.benchmark, a.language, a.systems, a.all, a.too_long) for a in found] == [
        ("xquad", "it", ("base", "alpaca-it", "cross-it"), True, 0),
        ("xquad", "ar", ("base", "alpaca-ar"), False, 0),
        ("xquad", "ar", ("cross-ar",), False, 30),
        ("xquad", "en", ("base", "alpaca-it", "cross-it"), True, 0),
    ]
    counts = found[2].counts
    assert (counts.rows, counts.kept, counts.dropped) == (41, 40, {"duplicate_id": 1})
    assert counts.notes == {"prompt_too_long": 30, "gold_not_in_context": 2}


def test_a_run_under_way_has_what_was_asked_so_far(make_run: Callable[..., Path]) -> None:
    folder = make_run(cross_ar_ar=None)
    (folder / "steps" / "evaluate-base-xquad-ar" / "counts.json").unlink()
    found = questions(read_run(folder))
    assert [a.systems for a in found if a.language == "ar"] == [("alpaca-ar",)]


def test_what_language_confusion_leaves_out_is_not_called_wrong() -> None:
    def asked(benchmark: str) -> Asked:
        counts = Counts("s", "evaluate", 1, 1, {}, notes={"prompt_too_long": 1})
        return Asked(benchmark, "it", ("a",), True, counts)

    assert asked("xquad").counts_as_wrong
    assert not asked("language_confusion").counts_as_wrong
