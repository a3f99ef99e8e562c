"""What can be known of a recipe before anything is spent, the cheap first: its settings and files, its data, its benchmarks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from calque.errors import CalqueError, Problem, RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.remembered import Looked, Remembered
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.runner import Prepared, prepare
from calque.recipes.steps import Step
from calque.recipes.steps.encode import template_files, template_settings
from calque.recipes.steps.judge import JudgeKnown
from calque.recipes.steps.workshop import Workshop
from calque.recipes.told import told_before, without_key, written_elsewhere
from calque.recipes.trial import Trial

LARGEST = 50_000_000  # bytes of a file that a glance reads to find it among those that were read before
LEFT = {
    "rows": "the rows behind the first",
    "passages": "which passages would be kept",
    "contamination": "contamination",
    "mix": "what each system would be tuned on",
    "encode": "its length in tokens",
}


def check(
    name: str,
    changes: Sequence[str],
    out: Path | None = None,
    *,
    everything: bool = False,
    memory: Path | None = None,
) -> Iterator[str]:
    """Lines on what a recipe would do, each as soon as it is known; then `RecipeError` with every mistake.

    Without `everything`, of the data the first rows are read, and the rest is told if the folder `memory` has it from before.
    """
    prepared = prepare(read_recipe(name, changes))
    recipe, problems = prepared.read.recipe, list[Problem]()
    yield f"recipe {recipe.name}: {', '.join(recipe.languages)}, seed {recipe.seed}"
    yield from (f"note: {note}" for note in prepared.resolved.notes)
    with TemporaryDirectory(prefix="calque-check-") as scratch:
        known = Remembered(memory or Path(scratch), None if everything else LARGEST)
        line, workshop, tokenises = _model(prepared, known, problems, everything=everything)
        yield from [line] if line else []
        trial = Trial(workshop, tokenises, Path(scratch), known, everything=everything)
        yield from trial.lines(prepared.steps)
        problems += trial.problems
        yield from _benchmarks(prepared.steps, known, problems)
        known.save()
    problems += without_key(prepared.steps)
    if problems:
        yield from _left(trial, prepared.steps)
        raise RecipeError(*dict.fromkeys(problems))
    yield from told_before(prepared.steps, trial.counts)
    yield from _systems(prepared.resolved.systems)
    kinds = [step.kind for step in prepared.steps]
    steps = ", ".join(f"{kinds.count(kind)} × {kind}" for kind in dict.fromkeys(kinds))
    where = f" in {out}" if out is not None else ""
    yield f"{len(kinds)} steps{where}: {steps}"
    yield from _left(trial, prepared.steps)


def _left(trial: Trial, steps: Sequence[Step]) -> Iterator[str]:
    """A line on what a glance leaves, and what does it."""
    left = [what for kind, what in LEFT.items() if kind in trial.left]
    if "passages" in trial.left and written_elsewhere(steps):
        left.append("what it costs to have instructions written")
    if left:
        yield f"not looked at: {', '.join(left)}; calque check --all does, and calque run before it tunes or asks anything"


def _model(
    prepared: Prepared, known: Remembered, problems: list[Problem], *, everything: bool
) -> tuple[str, Workshop, bool]:
    """A line on the model's folder, looked at and not loaded; the workshop; and whether it can tokenise.

    A model of the hub is left to the run. Its tokenizer is loaded with `everything` alone, and once.
    """
    from calque.engines.loading import ModelFiles, content, find_model, require_tokenizer

    settings = prepared.read.recipe.model
    path, place = settings.path, prepared.read.folder / Path(settings.path).expanduser()
    base = ModelFiles(str(place), place, settings.trust_remote_code)
    workshop = Workshop(settings, prepared.template, base, known.hashes)
    if not any(step.model for step in prepared.steps):
        return "no base model is needed", workshop, False
    if not place.exists() and not path.startswith(("/", ".", "~")) and path.count("/") <= 1:
        told = f"model {path}: not a folder here; the run will ask the hub for it, and count tokens"
        return told, workshop, False
    try:
        find_model(base.name)
        require_tokenizer(base, chat=prepared.template == "chat")
        if everything:
            _load(workshop, known)
    except CalqueError as error:
        problems += error.problems
        return "", workshop, False
    size = sum(file.stat().st_size for file in content(place))
    return f"model {base.label}: a folder with {size / 1e6:,.1f} MB", workshop, True


def _load(workshop: Workshop, known: Remembered) -> None:
    """Find what is wrong with configuration and tokenizer by loading them, unless that went well before."""
    settings = workshop.settings
    own = [known.hashes.sha256(file) for file in template_files(workshop.template)]
    about = [template_settings(settings), own, settings.trust_remote_code]
    key = known.key_of("model", workshop.tokenizer_sha256, *about)
    if known.get(key) is None:
        _ = workshop.config, workshop.encoder
        known.put(key, Looked({}, []))


def _benchmarks(steps: Sequence[Step], known: Remembered, problems: list[Problem]) -> Iterator[str]:
    """A line for each benchmark and language; faults are added to `problems`."""
    seen: dict[tuple[str, str], None] = {}
    for step in steps:
        if isinstance(step, JudgeKnown):
            before, key = f"judge {step.judge} in {step.language}", ""  # its files are a whole model
        elif step.kind in ("evaluate", "evaluate_served"):
            which = (step.settings["benchmark"], step.settings["language"])
            if which in seen:
                continue
            seen[which] = None
            before, key = f"benchmark {which[0]} in {which[1]}", known.key(step, ())
        else:
            continue
        try:
            found = known.get(key) or Looked({}, [step.preflight()])
        except CalqueError as error:
            problems += error.problems
        else:
            known.put(key, found)
            yield f"{before}: {found.lines[0]}"


def _systems(systems: Sequence[ResolvedSystem]) -> Iterator[str]:
    """A line for each system that is not tuned here."""
    for system in systems:
        if system.served is not None:
            way = (
                "chat"
                if system.served.template == "chat"
                else f"template {Path(system.served.template).name}"
            )
            yield f"system {system.name}: {system.served.model} behind a server, by {way}"
        elif not system.mix:
            yield f"system {system.name}: the base model as it is"
