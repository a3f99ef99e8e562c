from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from calque.errors import RunError
from calque.reports.counts import Fertility, Length
from calque.reports.folder import read_run


def test_what_stands_in_a_run(run_folder: Path) -> None:
    run = read_run(run_folder)
    assert run.manifest.recipe == "tried"
    assert run.unfinished == ()
    assert run.untuned is not None
    assert run.untuned.name == "base"
    assert [point.loss for point in run.losses["cross-it"]] == [2.0, 1.0, 2.0 / 3]
    [data] = [count for count in run.counts if count.kind == "demonstrate"]
    assert (data.step, data.rows, data.kept) == ("demonstrate-instructions-it", 5, 3)
    assert data.dropped == {"empty_response": 2}
    assert data.adds_up
    assert [file.name for file in data.files] == ["a.json"]


def test_rows_that_were_not_drawn_are_counted_and_not_shown(run_folder: Path) -> None:
    place = run_folder / "steps" / "evaluate-base-xquad-it"
    reasons = ["not_drawn"] * 3 + ["duplicate_id"] * 3
    rows = [{"file": "xquad.it.json", "row": i, "reason": reason} for i, reason in enumerate(reasons)]
    (place / "dropped.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (place / "counts.json").write_text(
        '{"rows": 46, "kept": 40, "dropped": {"not_drawn": 3, "duplicate_id": 3}}'
    )
    counts = read_run(run_folder).asked["base", "xquad", "it"]
    assert counts.dropped == {"duplicate_id": 3, "not_drawn": 3}
    assert [(drop.row, drop.reason) for drop in counts.examples] == [(3, "duplicate_id"), (4, "duplicate_id")]


def test_lengths_of_rows_and_fertility_of_texts(run_folder: Path) -> None:
    run = read_run(run_folder)
    assert run.lengths == {"cross-it": (Length("it", "translation", 5, 70, 33, 21, 2, 1),)}
    italian, chinese = run.fertility["cross-it"]
    assert italian == Fertility("it", 30, 60, 16, 1.875, 0.5)
    assert (chinese.words, chinese.tokens_per_character) == (None, 1.5)
    assert math.isnan(chinese.tokens_per_word)


def test_no_path_of_a_machine_is_shown(run_folder: Path) -> None:
    run = read_run(run_folder)
    assert run.manifest.model["path"] == "tiny"
    assert run.lineage["cross-it"]["base"] == "tiny"


def test_the_system_of_a_role_is_the_one_made_for_the_language(run_folder: Path) -> None:
    run = read_run(run_folder)
    found = [
        run.system_for(*asked)
        for asked in (("cross", "it"), ("cross", "ar"), ("base", "ar"), ("cross", "fi"))
    ]
    assert [system.name if system else None for system in found] == ["cross-it", "cross-ar", "base", None]


def test_a_run_that_is_under_way(run_folder: Path) -> None:
    """No manifest yet, a step in partial/ under its key, whose last line of losses is being written."""
    (run_folder / "manifest.json").unlink()
    (run_folder / "scores.jsonl").unlink()
    (run_folder / "partial").mkdir()
    begun = run_folder / "partial" / "tune-cross-it@0123456789ab"
    shutil.move(run_folder / "steps" / "tune-cross-it", begun)
    (begun / "loss.jsonl").write_text('{"step": 1, "loss": 2.5}\n{"step": 2, "lo')
    run = read_run(run_folder)
    assert run.unfinished == ("tune-cross-it",)
    assert [point.loss for point in run.losses["cross-it"]] == [2.5]
    assert len(run.scores) == 9
    assert {system.name for system in run.manifest.systems} >= {"cross-it", "base"}


def test_damage_is_named(run_folder: Path, tmp_path: Path) -> None:
    path = run_folder / "scores.jsonl"
    path.write_text(path.read_text().replace('"value": 0.5', '"value": 0.5x'))
    with pytest.raises(RunError, match=r"scores\.jsonl:\d"):
        read_run(run_folder)
    with pytest.raises(RunError, match="is not a folder"):
        read_run(tmp_path / "no")
    with pytest.raises(RunError, match="is no run folder"):
        read_run(tmp_path.parent)
