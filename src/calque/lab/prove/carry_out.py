"""Carry an experiment out: one ordinary run for each seed, and for each of its variants, several side by side.

A run goes on where it was stopped, so proving does too. Two processes of one thread each do more than one of two. A variant
takes from the run of its seed what is made from the same there.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from calque.corpora.writing import write_text
from calque.errors import Problem, RunError
from calque.lab.prove.experiment import Experiment

OTHERS = ("es", "de", "it")  # what is learnt from beside a language, if anything
EVERY = 20.0  # seconds between two words on progress
Tell = Callable[[str], None]


def languages_of(experiment: Experiment, language: str) -> list[str]:
    """The language, and the others of the lab that `<y>` and `<z>` stand for, where the experiment speaks of them."""
    others = (code for code in OTHERS if code != language)
    spoken = str((experiment.recipe, experiment.variants))
    return [language, *(code for mark, code in zip(("<y>", "<z>"), others, strict=False) if mark in spoken)]


def recipe_of(
    experiment: Experiment, language: str, seed: int, *, development: bool, variant: str = ""
) -> dict[str, Any]:
    """The recipe of one seed, or that of a variant, its paths as seen from the world's folder."""
    text = yaml.safe_dump(experiment.recipe_of(variant), sort_keys=False, allow_unicode=True)
    for mark, code in zip(("<x>", "<y>", "<z>"), languages_of(experiment, language), strict=False):
        text = text.replace(mark, code)
    recipe: dict[str, Any] = yaml.safe_load(text)
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
    """Run every seed and its variants; return the folder of each seed's run. That of a variant is `variant_run` of it.

    Raises `RunError` with the last words of a run that failed.
    """
    runs = {seed: out / f"seed-{seed}" for seed in seeds}
    waiting = []
    for variant in ("", *experiment.variants):
        for seed, main in runs.items():
            kind = "".join(f"{word}-" for word in (variant, "development" if development else "") if word)
            path = world / f"{experiment.name}-{language}-{kind}{seed}.yaml"
            recipe = recipe_of(experiment, language, seed, development=development, variant=variant)
            write_text(path, yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))
            name = f"seed {seed}" + (f" ({variant})" if variant else "")
            waiting.append(_Job(name, path, variant_run(main, variant), main if variant else None))
    _Crew(jobs, tell).work(waiting)
    return runs


def variant_run(main: Path, variant: str) -> Path:
    """The folder of a variant's run beside that of its seed."""
    return main.parent / variant / main.name if variant else main


@dataclass(frozen=True)
class _Job:
    """A run to be made; `after` is the folder of one that must have ended before."""

    name: str
    recipe: Path
    folder: Path
    after: Path | None

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")


class _Crew:
    def __init__(self, jobs: int, tell: Tell) -> None:
        self.jobs = jobs
        self.tell = tell
        self.busy: dict[_Job, subprocess.Popen[bytes]] = {}
        self.told = self.began = time.monotonic()

    def work(self, waiting: list[_Job]) -> None:
        """Start runs as places become free, until all have ended; stop the others where one fails."""
        try:
            while waiting or self.busy:
                unended = {job.folder for job in (*waiting, *self.busy)}
                ready = [job for job in waiting if job.after not in unended]
                for job in ready[: self.jobs - len(self.busy)]:
                    waiting.remove(job)
                    self.busy[job] = self._start(job)
                time.sleep(0.2)
                self._look(len(waiting))
        finally:
            for process in self.busy.values():
                process.terminate()
            for process in self.busy.values():
                process.wait()

    def _start(self, job: _Job) -> subprocess.Popen[bytes]:
        job.folder.parent.mkdir(parents=True, exist_ok=True)
        alone = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"} if self.jobs > 1 else {}
        reuse = [f"reuse={job.after}"] if job.after is not None else []
        with job.log.open("wb") as log:
            return subprocess.Popen(  # noqa: S603 — our own program
                [sys.executable, "-m", "calque", "run", str(job.recipe), f"out={job.folder}", *reuse],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **alone},
            )

    def _look(self, waiting: int) -> None:
        for job, process in list(self.busy.items()):
            code = process.poll()
            if code is None:
                continue
            del self.busy[job]
            if code:
                last = job.log.read_text(encoding="utf-8", errors="replace").splitlines()[-12:]
                raise RunError(Problem(f"the run of {job.name} failed:\n" + "\n".join(last), str(job.folder)))
            self.tell(f"{job.name} is done, {self._minutes()} after the start")
        if time.monotonic() - self.told >= EVERY and self.busy:
            self.told = time.monotonic()
            steps = ", ".join(f"{job.name}: {_steps(job.folder)} steps" for job in self.busy)
            more = f"; {waiting} more wait" if waiting else ""
            self.tell(f"{self._minutes()}  {steps}{more}")

    def _minutes(self) -> str:
        return f"{(time.monotonic() - self.began) / 60:.1f} min"


def _steps(run: Path) -> int:
    return sum(1 for _ in (run / "steps").glob("*"))
