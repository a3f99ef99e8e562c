"""What can be known of a recipe before anything is spent: its steps on data carried out for trial, its benchmarks read.

What the trial makes is thrown away. So check and run cannot differ over the data: one finds wrong what the other does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from calque.corpora.json_rows import read_json
from calque.errors import CalqueError, Problem, RecipeError
from calque.recipes.hashes import Hashes
from calque.recipes.reading import read_recipe
from calque.recipes.runner import EARLY, Prepared, prepare
from calque.recipes.steps import Step, Work, unheard
from calque.recipes.steps.contamination import summary as contamination_summary
from calque.recipes.steps.judge import JudgeKnown
from calque.recipes.steps.workshop import Workshop
from calque.recipes.told import told_before, without_key


def check(name: str, changes: Sequence[str], out: Path | None = None) -> Iterator[str]:
    """Lines on what a recipe would do. Raises `RecipeError` with every mistake, in the recipe and in the files."""
    prepared = prepare(read_recipe(name, changes))
    recipe, problems = prepared.read.recipe, list[Problem]()
    with TemporaryDirectory(prefix="calque-check-") as scratch:
        line, workshop, tokenises = _model(prepared, Path(scratch), problems)
        counts: dict[str, Mapping[str, Any]] = {}
        lines = [line, *_data(prepared.steps, workshop, tokenises, Path(scratch), problems, counts)]
    lines += _benchmarks(prepared.steps, problems)
    problems += without_key(prepared.steps)
    if problems:
        raise RecipeError(*dict.fromkeys(problems))
    yield f"recipe {recipe.name}: {', '.join(recipe.languages)}, seed {recipe.seed}"
    yield from (f"note: {note}" for note in prepared.resolved.notes)
    yield from lines
    yield from told_before(prepared.steps, counts)
    for system in prepared.resolved.systems:
        if system.served is not None:
            way = (
                "chat"
                if system.served.template == "chat"
                else f"template {Path(system.served.template).name}"
            )
            yield f"system {system.name}: {system.served.model} behind a server, by {way}"
        elif not system.mix:
            yield f"system {system.name}: the base model as it is"
    kinds = [step.kind for step in prepared.steps]
    steps = ", ".join(f"{kinds.count(kind)} × {kind}" for kind in dict.fromkeys(kinds))
    where = f" in {out}" if out is not None else ""
    yield f"{len(kinds)} steps{where}: {steps}"


def _model(prepared: Prepared, scratch: Path, problems: list[Problem]) -> tuple[str, Workshop, bool]:
    """A line on the model's folder, looked at and not loaded; the workshop; and whether it can tokenise.

    A model of the hub is left to the run.
    """
    from calque.engines.loading import ModelFiles, content, find_model

    settings = prepared.read.recipe.model
    path, place = settings.path, prepared.read.folder / Path(settings.path).expanduser()
    base = ModelFiles(str(place), place, settings.trust_remote_code)
    workshop = Workshop(settings, prepared.template, base, Hashes(scratch / "hashes.json"))
    if not any(step.model for step in prepared.steps):
        return "no base model is needed", workshop, False
    if not place.exists() and not path.startswith(("/", ".", "~")) and path.count("/") <= 1:
        return (
            f"model {path}: not a folder here; the run will ask the hub for it, and count tokens",
            workshop,
            False,
        )
    try:
        find_model(base.name)
        _ = workshop.config, workshop.encoder
    except CalqueError as error:
        problems += error.problems
        return "", workshop, False
    size = sum(file.stat().st_size for file in content(place))
    return f"model {base.label}: a folder with {size / 1e6:,.1f} MB", workshop, True


def _data(
    steps: Sequence[Step],
    workshop: Workshop,
    tokenises: bool,
    scratch: Path,
    problems: list[Problem],
    done: dict[str, Mapping[str, Any]],
) -> Iterator[str]:
    """Lines on every step on data that could be carried out, in `scratch`; faults are added to `problems`.

    The counts of what was `done` are added there, by the names of the steps.
    """
    for step in steps:
        possible = step.kind in EARLY and done.keys() >= set(step.after) and (tokenises or step.model == "")
        if not possible:
            continue  # what it needs has failed, which is told
        (scratch / step.name).mkdir()
        work = Work(
            scratch / step.name, {name: scratch / name for name in step.after}, workshop, unheard, trial=True
        )
        try:
            counts = step.carry_out(work)
        except CalqueError as error:
            problems += error.problems
            continue
        done[step.name] = counts
        yield from _lines(step, counts, work.folder)


def _lines(step: Step, counts: Mapping[str, Any], folder: Path) -> Iterator[str]:
    dropped = dict(counts["dropped"])
    name = step.name.removeprefix(f"{step.kind}-")
    if step.kind == "passages":
        tried = counts["rows"] - dropped.pop("not_tried", 0)
        some = "of them" if tried == counts["rows"] else f"of the first {tried:,}"
        yield f"passages in {name}: {counts['rows']:,}; {some} {counts['kept']:,} would be kept{_each(dropped)}"
    elif step.kind == "demonstrate":
        usable = counts["kept"] + dropped.pop("not_drawn", 0)
        files = ", ".join(counts["files"])
        yield f"part {name}: {usable:,} rows of {files} can be used{_each(dropped)}; {counts['kept']:,} are taken"
        yield from _first_dropped(folder / "dropped.jsonl")
    elif step.kind == "contamination":
        yield from contamination_summary(counts)
    elif step.kind == "mix":
        dropped.pop("not_drawn", None)
        parts = ", ".join(f"{part}: {rows:,}" for part, rows in counts["parts"].items())
        yield f"system {name}: {counts['kept']:,} rows ({parts}){_each(dropped)}"
    else:
        yield from (f"    {_length(row)}" for row in read_json(folder / "lengths.json"))
        yield from (f"    {_fertility(row)}" for row in read_json(folder / "fertility.json"))


def _first_dropped(file: Path) -> Iterator[str]:
    """The first row dropped for each reason: where it stands, and what is wrong with it."""
    told: set[str] = set()
    with file.open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if row["reason"] not in told:
                told.add(row["reason"])
                detail = f": {row['detail']}" if row["detail"] else ""
                yield f"    {row['reason']}, the first: {row['file']}, row {row['row']}{detail}"


def _length(row: Mapping[str, Any]) -> str:
    """What the rows of one language and kind cost in tokens, and how many of them are too long."""
    too_long = {f"too long and {what}": row[what] for what in ("truncated", "dropped") if row[what]}
    costs = f"{row['tokens']:,} tokens, the longest {row['longest']:,}"
    return f"{row['language']}, {row['kind']}: {row['rows']:,} rows, {costs}{_each(too_long)}"


def _fertility(row: Mapping[str, Any]) -> str:
    unit = "word" if row["tokens_per_word"] is not None else "character"
    return f"texts in {row['language']}: {row[f'tokens_per_{unit}'] or 0:.2f} tokens a {unit}"


def _each(counts: Mapping[str, int]) -> str:
    return "".join(f", {n:,} × {what}" for what, n in sorted(counts.items()))


def _benchmarks(steps: Sequence[Step], problems: list[Problem]) -> list[str]:
    """A line for each benchmark and language; faults are added to `problems`."""
    seen: dict[tuple[str, str], None] = {}
    lines = []
    for step in steps:
        if isinstance(step, JudgeKnown):
            try:
                lines.append(f"judge {step.judge} in {step.language}: {step.preflight()}")
            except CalqueError as error:
                problems += error.problems
        if step.kind not in ("evaluate", "evaluate_served"):
            continue
        settings = step.settings
        which = (settings["benchmark"], settings["language"])
        if which in seen:
            continue
        seen[which] = None
        try:
            count = step.preflight()
        except CalqueError as error:
            problems += error.problems
        else:
            lines.append(f"benchmark {which[0]} in {which[1]}: {count}")
    return lines
