"""What a pace admitted, summed over seeds and spans of steps."""

from __future__ import annotations

from pathlib import Path

from calque.corpora.writing import write_jsonl
from calque.lab.prove.experiment import experiment
from calque.lab.prove.paces import Paced, paces_of


def test_rows_of_all_seeds_are_summed_over_spans_of_steps_and_thirds(tmp_path: Path) -> None:
    for seed, admitted in ((0, 2), (1, 4)):
        rows = [
            {
                "step": step,
                "group": "it chat",
                "rows": 6,
                "admitted": admitted,
                "terciles": [[2, 2], [2, admitted // 4], [2, 0]] if step > 1 else [],
            }
            for step in range(1, 25)
        ]
        write_jsonl(tmp_path / f"seed-{seed}" / "steps" / "tune-xcit-it" / "pace.jsonl", rows)
    paces = paces_of(experiment("xcit"), "it", [tmp_path / "seed-0", tmp_path / "seed-1"])
    whole = [p for p in paces if p.part == "all rows"]
    assert len(whole) == 12
    assert whole[0] == Paced("xcit", "it", "xcit", "it chat", "all rows", 1, 2, 24, 12)
    easiest = [p for p in paces if p.part == "easiest third"]
    assert (easiest[0].rows, easiest[0].admitted) == (4, 4)  # of step 1 no losses are known
    middle = [p for p in paces if p.part == "middle third"]
    assert (middle[-1].first_step, middle[-1].last_step, middle[-1].rows, middle[-1].admitted) == (
        23,
        24,
        8,
        2,
    )
    assert {p.admitted for p in paces if p.part == "hardest third"} == {0}


def test_an_experiment_without_a_pace_has_none(tmp_path: Path) -> None:
    assert paces_of(experiment("crossalpaca"), "it", [tmp_path]) == []
