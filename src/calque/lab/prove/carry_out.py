"""Carry an experiment out: one ordinary run for each seed, several side by side, each on its own core.

A run goes on where it was stopped, so proving does too. Two processes of one thread each do more than one of two.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from calque.corpora.writing import write_text
from calque.errors import Problem, RunError
from calque.lab.prove.experiment import Experiment

EVERY = 20.0  # seconds between two words on progress
Tell = Callable[[str], None]


def recipe_of(experiment: Experiment, language: str, seed: int, *, development: bool) -> dict[str, Any]:
    """The recipe of one seed, its paths as seen from the world's folder."""
    recipe = deepcopy(experiment.recipe)
    evaluate = recipe.get("evaluate", {})
    for name, value in evaluate.items():
        if development and isinstance(value, str) and "{language}" in value:
            evaluate[name] = f"development/{value}"
    return {"name": f"{experiment.name}-{language}", "seed": seed, "languages": [language], **recipe}


def carry_out(
    experiment: Experiment,
    language: str,
    seeds: Sequence[int],
    *,
    world: Path,
    out: Path,
    jobs: int,
    development: bool = False,
    tell: Tell = print,
) -> dict[int, Path]:
    """Run every seed; return the folder of each. Raises `RunError` with the last words of a run that failed."""
    runs = {seed: out / f"seed-{seed}" for seed in seeds}
    waiting = []
    for seed in seeds:
        path = world / f"{experiment.name}-{language}-{'development-' if development else ''}{seed}.yaml"
        recipe = recipe_of(experiment, language, seed, development=development)
        write_text(path, yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
        waiting.append((seed, path))
    _Crew(runs, jobs, tell).work(waiting)
    return runs


class _Crew:
    def __init__(self, runs: Mapping[int, Path], jobs: int, tell: Tell) -> None:
        self.runs = runs
        self.jobs = jobs
        self.tell = tell
        self.busy: dict[int, subprocess.Popen[bytes]] = {}
        self.told = self.began = time.monotonic()

    def work(self, waiting: list[tuple[int, Path]]) -> None:
        """Start runs as places become free, until all have ended; stop the others where one fails."""
        try:
            while waiting or self.busy:
                while waiting and len(self.busy) < self.jobs:
                    seed, recipe = waiting.pop(0)
                    self.busy[seed] = self._start(seed, recipe)
                time.sleep(0.2)
                self._look(len(waiting))
        finally:
            for process in self.busy.values():
                process.terminate()
            for process in self.busy.values():
                process.wait()

    def _start(self, seed: int, recipe: Path) -> subprocess.Popen[bytes]:
        folder = self.runs[seed]
        folder.parent.mkdir(parents=True, exist_ok=True)
        alone = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"} if self.jobs > 1 else {}
        with self._log(seed).open("wb") as log:
            return subprocess.Popen(  # noqa: S603 — our own program
                [sys.executable, "-m", "calque", "run", str(recipe), f"out={folder}"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **alone},
            )

    def _look(self, waiting: int) -> None:
        for seed, process in list(self.busy.items()):
            code = process.poll()
            if code is None:
                continue
            del self.busy[seed]
            if code:
                last = self._log(seed).read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
                raise RunError(
                    Problem(f"the run of seed {seed} failed:\n" + "\n".join(last), str(self.runs[seed]))
                )
            self.tell(f"seed {seed} is done, {self._minutes()} after the start")
        if time.monotonic() - self.told >= EVERY and self.busy:
            self.told = time.monotonic()
            steps = ", ".join(f"seed {seed}: {self._steps(seed)} steps" for seed in self.busy)
            more = f"; {waiting} more wait" if waiting else ""
            self.tell(f"{self._minutes()}  {steps}{more}")

    def _steps(self, seed: int) -> int:
        return sum(1 for _ in (self.runs[seed] / "steps").glob("*"))

    def _minutes(self) -> str:
        return f"{(time.monotonic() - self.began) / 60:.1f} min"

    def _log(self, seed: int) -> Path:
        return self.runs[seed].with_suffix(".log")
