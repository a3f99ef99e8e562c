from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from calque.reports.asked import Asked, questions, served
from calque.reports.counts import Counts
from calque.reports.folder import read_run
from calque.reports.page import render
from calque.reports.show import show
from calque.reports.verdict import english


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


@pytest.fixture
def with_served(run_folder: Path) -> Path:
    """`cross-it` made a model behind a server, of which one question in 40 was refused, and one withheld."""
    manifest = json.loads((run_folder / "manifest.json").read_text(encoding="utf-8"))
    about = {"model": "org/big", "revision": "may", "template": "chat", "parameters": {}}
    for system in manifest["systems"]:
        if system["name"] == "cross-it":
            system["served"] = about
    (run_folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for code, unanswered in (("it", {"refused": 1, "withheld": 1}), ("en", {})):
        path = run_folder / "steps" / f"evaluate-cross-it-xquad-{code}" / "counts.json"
        counts = json.loads(path.read_text(encoding="utf-8"))
        counts["server"] = {"requests": 40, "prompt_tokens": 9000, "tokens": 300, "unanswered": unanswered}
        path.write_text(json.dumps(counts), encoding="utf-8")
    return run_folder


def test_what_servers_were_asked_is_summed_and_shown(with_served: Path) -> None:
    run = read_run(with_served)
    (one,) = served(run)
    assert (one.system, one.model) == ("cross-it", "org/big (may), chat")
    assert (one.requests, one.prompt_tokens, one.tokens, one.questions) == (80, 18000, 600, 80)
    assert (one.missing, one.unanswered) == (2, {"refused": 1, "withheld": 1})
    page = render([run])
    assert "What servers were asked" in page
    assert "org/big (may), chat" in page
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(show(with_served))
    told = "cross-it (org/big (may), chat): 80 requests, 18,000 tokens read, 600 written; 2 of 80 questions unanswered"
    said = console.export_text()
    assert told in said
    assert "which count as wrong\n" in said.replace(" \n", "\n")


def test_what_is_left_out_of_pass_rates_is_not_said_to_count_as_wrong(with_served: Path) -> None:
    run = read_run(with_served)
    asked = {
        (name, "language_confusion" if code == "it" else benchmark, code): counts
        for (name, benchmark, code), counts in run.asked.items()
    }
    (one,) = served(replace(run, asked=asked))
    assert (one.missing, one.left_out) == (2, 2)
    (all_wrong,) = served(run)
    assert all_wrong.left_out == 0


def test_a_served_model_is_not_taken_for_the_untuned_one_nor_said_to_have_forgotten_english(
    with_served: Path,
) -> None:
    run = read_run(with_served)
    assert run.untuned is not None
    assert run.untuned.name == "base"
    rows = {row.system.name: row for row in english(run)}
    assert rows["cross-it"].cells["xquad"][1] is None
    assert rows["alpaca-it"].cells["xquad"][1] is not None
