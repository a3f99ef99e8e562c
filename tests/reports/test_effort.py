from __future__ import annotations

from pathlib import Path

from calque.reports.effort import Effort, efforts
from calque.reports.folder import read_run


def test_steps_and_tokens_of_both_sides(run_folder: Path) -> None:
    """Each system of the run has 3 steps of 40 trained tokens; cross-ar is given one step more."""
    with (run_folder / "steps/tune-cross-ar/loss.jsonl").open("a") as file:
        file.write('{"step": 4, "loss": 0.5, "trained_tokens": 7}\n')
    assert efforts(read_run(run_folder)) == ((Effort((3, 3), (120, 120)), Effort((3, 4), (120, 127))),)


def test_a_side_that_was_not_tuned_has_no_effort(run_folder: Path) -> None:
    path = run_folder / "manifest.json"
    path.write_text(path.read_text().replace('[["alpaca", "cross"]]', '[["base", "cross"]]'))
    assert efforts(read_run(run_folder)) == (None,)
