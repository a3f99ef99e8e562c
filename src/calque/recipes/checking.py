"""What can be known of a recipe before anything is spent: its files read, rows counted, amounts held against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.alpaca import read_alpaca
from calque.corpora.pairs import read_pairs
from calque.errors import CalqueError, Problem, RecipeError
from calque.recipes.reading import read_recipe
from calque.recipes.resolved import Resolved, ResolvedPart
from calque.recipes.runner import Prepared, prepare
from calque.recipes.schema import TranslationPart
from calque.recipes.steps import Step
from calque.records import Rejected


def check(name: str, changes: Sequence[str], out: Path | None = None) -> Iterator[str]:
    """Lines on what a recipe would do. Raises `RecipeError` with every mistake, in the recipe and in the files."""
    read = read_recipe(name, changes)
    prepared = prepare(read)
    problems: list[Problem] = []
    lines: list[str] = []
    try:
        lines.append(_model(prepared))
    except CalqueError as error:
        problems += error.problems
    rows: dict[str, int] = {}
    for part in prepared.resolved.parts:
        try:
            line, rows[part.name] = _count(part)
            lines.append(line)
        except CalqueError as error:
            problems += error.problems
    problems += _amounts(prepared.resolved, rows)
    lines += _benchmarks(prepared.steps, problems)
    if problems:
        raise RecipeError(*dict.fromkeys(problems))
    yield f"recipe {read.recipe.name}: {', '.join(read.recipe.languages)}, seed {read.recipe.seed}"
    yield from (f"note: {note}" for note in prepared.resolved.notes)
    yield from lines
    for system in prepared.resolved.systems:
        mix = ", ".join(f"{part}: {amount}" for part, amount in system.mix.items())
        yield f"system {system.name}: {mix or 'the base model as it is'}"
    kinds = [step.kind for step in prepared.steps]
    steps = ", ".join(f"{kinds.count(kind)} × {kind}" for kind in dict.fromkeys(kinds))
    where = f" in {out}" if out is not None else ""
    yield f"{len(kinds)} steps{where}: {steps}"


def _model(prepared: Prepared) -> str:
    """The model's folder, looked at and not loaded; one of the hub is left to the run."""
    from calque.engines.loading import content, find_model

    path = prepared.read.recipe.model.path
    place = prepared.read.folder / Path(path).expanduser()
    if not place.exists() and not path.startswith(("/", ".", "~")) and path.count("/") <= 1:
        return f"model {path}: not a folder here; the run will ask the hub for it"
    size = sum(file.stat().st_size for file in content(find_model(str(place)).folder))
    return f"model {place.name}: a folder with {size / 1e6:,.1f} MB"


def _count(part: ResolvedPart) -> tuple[str, int]:
    """What the files of a part hold, and how many demonstrations come of it."""
    kept, reasons = 0, dict[str, int]()
    sources = (
        [read_pairs(part.pairs)]
        if part.pairs is not None
        else [read_alpaca(path, part.language) for path in part.files]
    )
    for source in sources:
        for row in source:
            if isinstance(row, Rejected):
                reasons[row.reason] = reasons.get(row.reason, 0) + 1
            else:
                kept += 1
    rows = kept
    if isinstance(part.part, TranslationPart) and part.part.count != "all":
        rows = part.part.count
        if rows > kept:
            raise RecipeError(
                Problem(
                    f"{part.name}: {rows:,} translations are asked for, {kept:,} pairs can be used",
                    str(part.paths[0]),
                    remedy=f"set demonstrate.{part.name.rsplit('-', 1)[0]}.count to at most {kept}, or to all",
                )
            )
    dropped = "".join(f", {n:,} × {reason}" for reason, n in sorted(reasons.items()))
    files = ", ".join(path.name for path in part.paths)
    return f"part {part.name}: {kept:,} rows of {files} can be used{dropped}; {rows:,} are taken", rows


def _amounts(resolved: Resolved, rows: dict[str, int]) -> Iterator[Problem]:
    for system in resolved.systems:
        for part, amount in system.mix.items():
            if isinstance(amount, int) and part in rows and amount > rows[part]:
                yield Problem(
                    f"system {system.name} asks for {amount:,} rows of {part}, which has {rows[part]:,}",
                    remedy="ask for fewer, or for a share (0.5), or for all: rows are never repeated",
                )


def _benchmarks(steps: Sequence[Step], problems: list[Problem]) -> list[str]:
    """A line for each benchmark and language; faults are added to `problems`."""
    seen: dict[tuple[str, str], None] = {}
    lines = []
    for step in steps:
        if step.kind != "evaluate":
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
