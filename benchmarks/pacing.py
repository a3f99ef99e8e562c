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
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tuning import Clock, make_model, make_rows

CONTENDERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weighting, hard": {"order": "easiest-first", "until": 1.0},
    "weighting, linear": {"order": "easiest-first", "until": 1.0, "weights": "linear"},
    "weighting, diverse": {"order": "easiest-first", "until": 1.0, "weights": "diverse"},
    "selection, all": {"order": "easiest-first", "spend": "selection", "start": 1.0, "refresh_steps": 10**6},
}


def run_one(name: str, model: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    from calque.engines.loading import ModelFiles
    from calque.tuning.encode import EncodedSet
    from calque.tuning.loop import tune
    from calque.tuning.settings import TuningSettings

    ids, starts = make_rows((args.steps + 1) * args.examples_per_step)
    lengths = [len(row) for row in ids]
    trained = [np.arange(n) >= start for n, start in zip(lengths, starts, strict=True)]
    encoded = EncodedSet(
        np.concatenate(ids).astype(np.int32),
        np.concatenate(trained),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.arange(len(ids), dtype=np.int32) % 2,
        ("it instruction", "it chat"),
    )
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
    with tempfile.TemporaryDirectory() as out:
        files = ModelFiles("m", model)
        tuned = tune(files, encoded, settings, seed=0, folder=Path(out), fingerprint={}, on_step=clock.step)
    tokens = sum(row["tokens"] for row in tuned.log[1:])
    admitted = statistics.mean(row["admitted"] for row in tuned.log)
    print(json.dumps({"tokens_per_second": tokens / (clock.ends[-1] - clock.ends[0]), "admitted": admitted}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=6, help="optimiser steps that are timed")
    parser.add_argument("--repeats", type=int, default=5, help="turns of all contenders")
    parser.add_argument("--examples-per-step", type=int, default=128)
    parser.add_argument("--precision", choices=["auto", "fp32", "bf16"], default="auto")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.model, args)
        return
    names = list(CONTENDERS)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder))
        for turn in range(args.repeats):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                command = [sys.executable, __file__, "--one", name, "--model", folder]
                for option in ("steps", "examples_per_step", "precision"):
                    command += [f"--{option.replace('_', '-')}", str(getattr(args, option))]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    sys.exit(f"{name}: {done.stderr}")
                runs[name].append(json.loads(done.stdout.splitlines()[-1]))
                print(f"{turn + 1}/{args.repeats} {name}: {runs[name][-1]}", file=sys.stderr, flush=True)
    print(f"{'':20}{'tokens/s':>10}{'admitted':>10}{'against plain':>15}")
    result = {}
    for name in names:
        pairs = zip(runs[name], runs["plain"], strict=True)
        ratios = [one["tokens_per_second"] / plain["tokens_per_second"] for one, plain in pairs]
        median = {key: statistics.median(run[key] for run in runs[name]) for key in runs[name][0]}
        result[name] = {**median, "against_plain": statistics.median(ratios), "ratios": ratios}
        print(
            f"{name:20}{median['tokens_per_second']:>10,.0f}{median['admitted']:>10.2f}{result[name]['against_plain']:>14.3f}×"
        )
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
