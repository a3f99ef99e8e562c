"""The section on native text, from counts that are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.errors import RunError
from calque.reports.folder import read_run
from calque.reports.page import write_report
from calque.reports.passages import bars


def with_passages(run_folder: Path, **changes: Any) -> Path:
    place = run_folder / "steps/passages-it"
    place.mkdir(exist_ok=True)
    dropped = {
        "too_short": 20,
        "too_long": 5,
        "wrong_language": 10,
        "near_duplicate": 5,
        "links": 7,
        "news": 3,
    }
    counts = {"rows": 200, "kept": 150, "dropped": dropped, "files": [f"{i}.txt" for i in range(9)]}
    statistics = {"language": "it", "characters": {"all": 90000, "quantiles": [250, 500, 1200]},
                  "tokens": {"all": 30000, "quantiles": [80, 160, 400]}, "boilerplate_taken_out": 77}  # fmt: skip
    (place / "counts.json").write_text(json.dumps(counts | changes))
    (place / "statistics.json").write_text(json.dumps(statistics))
    return run_folder


def test_bars_by_hand(run_folder: Path) -> None:
    (bar,) = bars(read_run(with_passages(run_folder)).passages)
    assert [(part.group, part.rows, part.start, part.width) for part in bar.parts] == [
        ("kept", 150, 0.0, 75.0),
        ("length", 25, 75.0, 12.5),
        ("language and script", 10, 87.5, 5.0),
        ("not text worth learning from", 10, 92.5, 5.0),
        ("duplicates", 5, 97.5, 2.5),
    ]


def test_the_page_shows_them_and_only_where_there_are_any(run_folder: Path, tmp_path: Path) -> None:
    plain = write_report([run_folder], tmp_path / "a.html").read_text("utf-8")
    page = write_report([with_passages(run_folder)], tmp_path / "b.html").read_text("utf-8")
    assert "<h2>Passages</h2>" not in plain
    for text in (
        "Italian: 150 of 200 kept",
        "250 · 500 · 1,200",
        "80 · 160 · 400",
        ">3.00<",
        "near duplicate: 5",
        "and 3 more",
    ):
        assert text in page
    assert "does not add up" not in page
    page = write_report([with_passages(run_folder, kept=149)], tmp_path / "c.html").read_text("utf-8")
    assert "does not add up" in page


def test_a_damaged_file_is_named(run_folder: Path) -> None:
    with_passages(run_folder)
    (run_folder / "steps/passages-it/statistics.json").write_text('{"language": "it"}')
    with pytest.raises(RunError, match=r"statistics\.json"):
        read_run(run_folder)
