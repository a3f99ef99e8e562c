"""The figure of what the pace admitted, from rows whose shares are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.errors import RunError
from calque.reports.folder import read_run
from calque.reports.pace import pace_costs, pace_panels
from calque.reports.page import write_report


def with_pace(run_folder: Path) -> Path:
    rows = [
        {"step": step, "group": group, "lambda": 1.0, "rows": 6, "admitted": 2 * step,
         "terciles": [[2, 2], [2, step - 1], [2, max(0, 2 * step - 4)]]}
        for step in (1, 2, 3)
        for group in ("it chat", "it instruction")
    ]  # fmt: skip
    place = run_folder / "steps/tune-cross-it"
    (place / "pace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    losses = [
        json.loads(line) | {"refreshed_tokens": 5} for line in (place / "loss.jsonl").read_text().splitlines()
    ]
    (place / "loss.jsonl").write_text("".join(json.dumps(row) + "\n" for row in losses))
    return run_folder


def test_shares_by_hand(run_folder: Path) -> None:
    panels = pace_panels(read_run(with_pace(run_folder)))
    assert [(panel.system, panel.group) for panel in panels] == [
        ("cross-it", "it chat"),
        ("cross-it", "it instruction"),
    ]
    lines = {line.name: line.points for line in panels[0].lines}
    assert lines["all"] == "33.33,66.67 66.67,33.33 100.00,0.00"
    assert lines["easiest third"] == "33.33,0.00 66.67,0.00 100.00,0.00"
    assert lines["middle third"] == "33.33,100.00 66.67,50.00 100.00,0.00"
    assert lines["hardest third"] == "33.33,100.00 66.67,100.00 100.00,0.00"
    (cost,) = pace_costs(read_run(run_folder))
    assert (cost.tokens, cost.trained_tokens, cost.refreshed_tokens) == (300, 120, 15)


def test_the_page_shows_it_and_only_where_there_is_a_pace(run_folder: Path, tmp_path: Path) -> None:
    plain = write_report([run_folder], tmp_path / "a.html").read_text("utf-8")
    paced = write_report([with_pace(run_folder)], tmp_path / "b.html").read_text("utf-8")
    assert "percent admitted" not in plain
    assert paced.count("percent admitted") == 2


def test_a_damaged_row_is_named(run_folder: Path) -> None:
    with_pace(run_folder)
    (run_folder / "steps/tune-cross-it/pace.jsonl").write_text('{"step": 1}\n')
    with pytest.raises(RunError, match=r"pace\.jsonl"):
        read_run(run_folder)
