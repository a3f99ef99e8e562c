"""What a pace costs: tokens a second with it against plain tuning.

    python benchmarks/pacing.py [--steps 6] [--repeats 5] [--examples-per-step 128] [--precision auto] [--out FILE]

The model and the rows of benchmarks/tuning.py, two kinds of them, each run in a process of its own. Contenders take
turns, so that a busy machine troubles all of them alike; in each turn every one is compared with the plain run of that
turn, and the median of these ratios is told. Every row runs in all of them, so that only the pace itself is paid for:
under selection all rows are admitted from the start, and what its refreshes cost is counted in tokens, not here.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from common import alone, by_turns, given, medians, write_figures
from trainers import encoded, with_ours

from tuning import Clock, make_model, make_rows, tuning_arguments

CONTENDERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weighting, hard": {"order": "easiest-first", "until": 1.0},
    "weighting, linear": {"order": "easiest-first", "until": 1.0, "weights": "linear"},
    "weighting, diverse": {"order": "easiest-first", "until": 1.0, "weights": "diverse"},
    "selection, all": {"order": "easiest-first", "spend": "selection", "start": 1.0, "refresh_steps": 10**6},
}


def run_one(name: str, model: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    from calque.tuning.settings import TuningSettings

    rows = make_rows((args.steps + 1) * args.examples_per_step)
    groups = np.arange(len(rows[0]), dtype=np.int32) % 2
    settings = TuningSettings.model_validate(
        {
            "method": "full",
            "learning_rate": 1e-3,
            "schedule": "constant",
            "warmup_share": 0,
            "examples_per_step": args.examples_per_step,
            "precision": args.precision,
            "checkpoint_steps": 10**9,
            "pacing": CONTENDERS[name],
        }
    )
    clock = Clock()
    tuned = with_ours(model, encoded(rows, groups, ("it instruction", "it chat")), settings, clock.step)
    tokens = sum(row["tokens"] for row in tuned.log[1:])
    admitted = statistics.mean(row["admitted"] for row in tuned.log)
    print(json.dumps({"tokens_per_second": tokens / (clock.ends[-1] - clock.ends[0]), "admitted": admitted}))


def main() -> None:
    parser = tuning_arguments(__doc__, repeats=5)
    parser.add_argument("--steps", type=int, default=6, help="optimiser steps that are timed")
    parser.add_argument("--examples-per-step", type=int, default=128)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.model, args)
        return
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        words = ["--model", folder, *given(args, "steps", "examples_per_step", "precision")]
        runs = by_turns(list(CONTENDERS), args.repeats, lambda name: alone(name, __file__, words))
    print(f"{'':20}{'tokens/s':>10}{'admitted':>10}{'against plain':>15}")
    result = {}
    for name, made in runs.items():
        pairs = zip(made, runs["plain"], strict=True)
        ratios = [one["tokens_per_second"] / plain["tokens_per_second"] for one, plain in pairs]
        row = {**medians(made), "against_plain": statistics.median(ratios), "ratios": ratios}
        result[name] = row
        print(
            f"{name:20}{row['tokens_per_second']:>10,.0f}{row['admitted']:>10.2f}{row['against_plain']:>14.3f}×"
        )
    write_figures(args.out, result)


if __name__ == "__main__":
    main()
