"""The section on rounds of refinement, from figures that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.errors import RunError
from calque.reports.folder import read_run
from calque.reports.page import write_report


def with_rounds(run_folder: Path) -> Path:
    def auc(value: float, low: float, high: float) -> dict[str, object]:
        return {"value": value, "low": low, "high": high, "n": [40, 40]}

    for number, top, stop in ((1, 0.8, ""), (2, 0.51, "the evaluator cannot tell level 2 from 3 any more")):
        place = run_folder / f"steps/measure-{number}"
        place.mkdir()
        aucs = {"1-2": auc(0.9, 0.8, 1.0), "2-3": auc(top, top - 0.1, top + 0.1), "1-3": auc(0.95, 0.9, 1.0)}
        quality = {"round": number, "n": 120, "accuracy": 0.75, "auc": aucs, "calibration_error": 0.0625}
        (place / "quality.json").write_text(json.dumps(quality | {"stop": stop}))
    place = run_folder / "steps/select-kept-1-it"
    place.mkdir()
    (place / "counts.json").write_text(json.dumps({"rows": 800, "kept": 200, "dropped": {}, "overlap": 0.25}))
    return run_folder


def test_rounds_by_hand(run_folder: Path) -> None:
    one, two = read_run(with_rounds(run_folder)).rounds
    assert (one.number, one.n, dict(one.kept), dict(one.overlap)) == (1, 120, {"it": 200}, {"it": 0.25})
    assert [auc.name for auc in one.aucs] == ["worst and best", "worst and middle", "middle and best"]
    assert one.aucs[2].at == (71.43, 57.14, 85.71)  # 0.8, 0.7 and 0.9 between 0.3 and 1
    assert one.follows == "round 2"
    assert two.follows.startswith("the evaluator cannot tell")


def test_what_follows_the_last_round(run_folder: Path) -> None:
    """Of a run that is under way it is not known; of one that ended it is what the manifest says."""
    place = with_rounds(run_folder) / "steps/measure-2/quality.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"stop": ""}))
    assert read_run(run_folder).rounds[1].follows == "not known yet"
    manifest = json.loads((run_folder / "manifest.json").read_text("utf-8"))
    settled = "round 2: the selection has settled: 97% of it was selected in the round before"
    for why, follows in ((settled, f"no more rounds after {settled}"), ("", "none: no more were asked for")):
        rounds = {"full": 2, "measured": 2, "why": why}
        (run_folder / "manifest.json").write_text(json.dumps(manifest | {"rounds": rounds}))
        assert [one.follows for one in read_run(run_folder).rounds] == ["round 2", follows]


def test_the_page_shows_them_and_only_where_there_are_any(run_folder: Path, tmp_path: Path) -> None:
    assert "Rounds of refinement" not in write_report([run_folder], tmp_path / "a.html").read_text("utf-8")
    page = write_report([with_rounds(run_folder)], tmp_path / "b.html").read_text("utf-8")
    for text in (
        "<h2>Rounds of refinement</h2>",
        "round 2, middle and best: 0.51",
        "Italian: 200 (25.0%)",
        "cannot tell level 2",
    ):
        assert text in page


def test_a_damaged_file_is_told(run_folder: Path) -> None:
    path = with_rounds(run_folder) / "steps/measure-1/quality.json"
    path.write_text(json.dumps({"n": 3}))
    with pytest.raises(RunError, match="field 'accuracy' is missing"):
        read_run(run_folder)
