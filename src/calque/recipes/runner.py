"""Carry out a recipe in a folder: do what is not done yet, in order, and write down what it was.

Run again, a run goes on where it stopped. A step is done again if and only if what it depends on has changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from calque.errors import CalqueError, Problem, RecipeError
from calque.recipes.folder import REQUESTS, RunFolder, opened
from calque.recipes.outcome import write_outcome
from calque.recipes.plan import plan
from calque.recipes.ranks import Ranks, ranks
from calque.recipes.reading import Read
from calque.recipes.record import Inputs, Record, differences, inputs_of
from calque.recipes.relocate import write_recipe
from calque.recipes.resolve import resolve, template_of
from calque.recipes.resolved import Resolved
from calque.recipes.rounds import Rounds, stop_of
from calque.recipes.steps import Step, Work, unheard
from calque.recipes.steps.workshop import Workshop
from calque.recipes.told import told_before, without_key
from calque.recipes.watch import Silent, Watcher

EARLY = (
    "passages",
    "demonstrate",
    "contamination",
    "mix",
    "encode",
)  # steps on data: all of them are tried, so that all faults show at once


@dataclass(frozen=True)
class Prepared:
    """A recipe with its files and model found and its steps planned."""

    read: Read
    resolved: Resolved
    template: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Outcome:
    """What a run came to: how many steps were done now, of how many, and where the report is."""

    folder: Path
    done: int
    steps: int
    report: Path


def prepare(read: Read, rounds: Rounds | None = None) -> Prepared:
    """Find every file, and plan the steps; of rounds of refinement those given, or all. Raises `RecipeError` with all that is missing."""
    resolved = resolve(read.recipe, read.folder, read.places, rounds)
    template = template_of(read.recipe.model, read.folder)
    return Prepared(read, resolved, template, plan(resolved, template))


def run(prepared: Prepared, out: Path, watcher: Watcher | None = None, reuse: Sequence[Path] = ()) -> Outcome:
    """Carry a recipe out in folder `out`; steps that stand in the runs of `reuse`, made from the same, are taken from there."""
    watcher = watcher or Silent()
    group = ranks()
    try:
        with opened(out, reuse) as folder:
            workshop = workshop_of(prepared, folder)
            write_recipe(prepared.read, out / "recipe.yaml")
            return _Run(prepared, folder, workshop, watcher, group).carry_out()
    finally:
        group.tell(None)
        group.part()


def follow(prepared: Prepared, out: Path) -> None:
    """Under torchrun, what all processes but the first do: join in the steps that are for all, until it has ended."""
    group = ranks()
    folder = RunFolder(out)
    steps = {step.name: step for step in prepared.steps}
    workshop: Workshop | None = None
    while (joined := group.tell(None)) is not None:
        workshop = workshop or workshop_of(prepared, folder)
        name, target, after = joined
        steps[name].carry_out(Work(target, after, workshop, unheard, leads=False))
    group.part()


def workshop_of(prepared: Prepared, folder: RunFolder) -> Workshop:
    """The base model, found; a `ModelError` if it is none. Where no step needs one, there is none."""
    from calque.engines.loading import ModelFiles, find_model

    settings = prepared.resolved.recipe.model
    if not any(step.model for step in prepared.steps):
        nothing = ModelFiles("", Path())
        return Workshop(settings, prepared.template, nothing, folder.hashes, folder.root / REQUESTS)
    place = prepared.read.folder / Path(settings.path).expanduser()
    name = str(place) if place.exists() else settings.path
    base = find_model(name, revision=settings.revision, trust_remote_code=settings.trust_remote_code)
    return Workshop(settings, prepared.template, base, folder.hashes, folder.root / REQUESTS)


def early_of(steps: Sequence[Step]) -> list[Step]:
    """The steps on data that need no model's outcome."""
    found: dict[str, Step] = {}
    for step in steps:
        if step.kind in EARLY and found.keys() >= set(step.after):
            found[step.name] = step
    return list(found.values())


def _up_to(steps: Sequence[Step], kind: str) -> list[Step]:
    """The steps of a kind, and all that these need."""
    needed: set[str] = set()
    for step in reversed(steps):
        if step.kind == kind or step.name in needed:
            needed |= {step.name, *step.after}
    return [step for step in steps if step.name in needed]


class _Run:
    def __init__(
        self, prepared: Prepared, folder: RunFolder, workshop: Workshop, watcher: Watcher, group: Ranks
    ) -> None:
        self.prepared = prepared
        self.folder = folder
        self.workshop = workshop
        self.watcher = watcher
        self.group = group
        self.records: dict[str, Record] = {}
        self.done = 0

    def carry_out(self) -> Outcome:
        """Every step, then what stands above them."""
        steps = self.prepared.steps
        self.watcher.planned(len(steps))
        for note in self.prepared.resolved.notes:
            self.watcher.note(note)
        early = early_of(steps)
        self._all_faults_at_once(early)
        late = [step for step in steps if step not in early]
        counts = {name: record.counts for name, record in self.records.items()}
        for line in told_before((step for step in steps if not self._stands(step)), counts):
            self.watcher.note(line)
        self._preflight(late)
        while late:
            step = late.pop(0)
            self._step(step)
            if self._fewer_rounds(step):
                late = [step for step in self.prepared.steps if step.name not in self.records]
        steps = self.prepared.steps
        for name in self.folder.retire({step.name for step in steps}):
            self.watcher.note(f"{name} is no longer asked for; it was moved to earlier/")
            self.folder.log("retired", step=name)
        records = {step.name: self.records[step.name] for step in steps}
        report = write_outcome(self.prepared.resolved, self.workshop, records, self.folder)
        return Outcome(self.folder.root, self.done, len(steps), report)

    def _fewer_rounds(self, step: Step) -> bool:
        """Whether a step has shown that there are to be fewer rounds; then the steps are planned anew."""
        if step.kind not in ("measure", "select"):
            return False
        counts = {name: record.counts for name, record in self.records.items()}
        rounds = stop_of(counts, self.prepared.read.recipe, self.prepared.resolved.rounds)
        if rounds is None:
            return False
        self.prepared = prepare(self.prepared.read, rounds)
        self.watcher.note(f"no more rounds after {rounds.why}")
        self.watcher.planned(len(self.prepared.steps))
        return True

    def _all_faults_at_once(self, steps: list[Step]) -> None:
        problems: list[Problem] = []
        kinds: list[type[CalqueError]] = []
        for step in steps:
            if not set(step.after) <= set(self.records):
                continue  # what it needs has failed
            try:
                self._step(step)
            except CalqueError as error:
                problems += error.problems
                kinds.append(type(error))
        if problems:
            raise kinds[0](*dict.fromkeys(problems))

    def _preflight(self, steps: list[Step]) -> None:
        """Read the benchmarks before the first tuning, if there is tuning to do; refuse to train on what is measured."""
        if self._stand(steps):
            return
        problems = without_key(step for step in steps if not self._stands(step))
        if self._stand(_up_to(steps, "tune")) and not problems:
            return
        seen: set[tuple[object, ...]] = set()
        for step in steps:
            looked_at = (step.files, step.settings.get("benchmark"), step.settings.get("language"))
            if step.files and looked_at not in seen:
                seen.add(looked_at)
                try:
                    step.preflight()
                except CalqueError as error:
                    problems += error.problems
        if problems:
            raise RecipeError(*dict.fromkeys(problems))

    def _stand(self, steps: list[Step]) -> bool:
        """Whether all are finished; a later one is told by the outcome of the earlier ones."""
        known = dict(self.records)
        for step in steps:
            record = self._finished(step, inputs_of(step, known, self.workshop))
            if record is None:
                return False
            known[step.name] = record
        return True

    def _stands(self, step: Step) -> bool:
        """Whether a step that needs no others is finished."""
        return not step.after and self._finished(step, inputs_of(step, {}, self.workshop)) is not None

    def _inputs(self, step: Step) -> Inputs:
        return inputs_of(step, self.records, self.workshop)

    def _finished(self, step: Step, inputs: Inputs) -> Record | None:
        return self.folder.finished(step.name, inputs)

    def _step(self, step: Step) -> None:
        inputs = self._inputs(step)
        why = self._why(step, inputs)
        record = self._finished(step, inputs)
        if record is not None:
            self.watcher.cached(step.name)
            if (other := self.folder.taken.pop(step.name, None)) is not None:
                self.watcher.note(f"{step.name} is taken from {other}")
                self.folder.log("taken", step=step.name, key=inputs.key)
        else:
            record = self._do(step, inputs, why)
        self.records[step.name] = record

    def _why(self, step: Step, inputs: Inputs) -> str:
        before = self.folder.before(step.name)
        if before is None:
            return ""
        found = "; ".join(differences(before.inputs, inputs))
        return found or "its files were changed by another hand"

    def _do(self, step: Step, inputs: Inputs, why: str) -> Record:
        self.watcher.started(step.name, why)
        self.folder.log("started", step=step.name, key=inputs.key, why=why)
        began = time.monotonic()
        target = self.folder.begin(step.name, inputs, resumes=step.resumes)
        after = {name: self.folder.place(name) for name in step.after}
        work = Work(target, after, self.workshop, partial(self.watcher.progressed, step.name))
        if step.kind == "tune":
            self.group.tell((step.name, target, after))
        counts = step.carry_out(work)
        record = self.folder.finish(step.name, inputs, counts)
        seconds = time.monotonic() - began
        self.folder.log("finished", step=step.name, key=inputs.key, seconds=round(seconds, 3))
        self.folder.hashes.save()
        self.watcher.finished(step.name, counts, seconds)
        self.done += 1
        return record
