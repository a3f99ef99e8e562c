"""Steps on data carried out for trial: what they make is thrown away, what they came to is told and remembered.

So check and run cannot differ over the data: one finds wrong what the other does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import rmtree
from typing import Any

from calque.corpora.json_rows import read_json
from calque.errors import CalqueError, DataError, Problem
from calque.recipes.remembered import Looked, Remembered
from calque.recipes.runner import EARLY
from calque.recipes.steps import Step, Work, unheard
from calque.recipes.steps.contamination import Contamination
from calque.recipes.steps.contamination import summary as contamination_summary
from calque.recipes.steps.mix import Mix
from calque.recipes.steps.passages import Passages
from calque.recipes.steps.workshop import Workshop

AT_FIRST = 20_000  # rows that a glance reads, over all parts
FEWEST = 200  # rows of each source that it reads, however many there are


class Trial:
    """Steps on data, each carried out only if nothing is remembered of it, and only once something needs it.

    A glance (not `everything`) reads the first rows of each part and leaves the rest to what is remembered. `left` has the
    kinds of steps that were not looked at, `counts` those of the steps that were, `problems` what is wrong.
    """

    def __init__(
        self, workshop: Workshop, tokenises: bool, scratch: Path, known: Remembered, *, everything: bool
    ) -> None:
        self.workshop = workshop
        self.tokenises = tokenises
        self.scratch = scratch
        self.known = known
        self.everything = everything
        self.problems: list[Problem] = []
        self.counts: dict[str, Mapping[str, Any]] = {}
        self.left: dict[str, None] = {}
        self._keys: dict[str, str] = {}
        self._made: set[str] = set()

    def lines(self, steps: Sequence[Step]) -> Iterator[str]:
        """What is told of each step, as soon as it is known."""
        by_name = {step.name: step for step in steps}
        most = max(FEWEST, AT_FIRST // max(1, sum(step.kind == "demonstrate" for step in steps)))
        for step in steps:
            if step.kind not in EARLY or not self._keys.keys() >= set(step.after):
                continue  # what it needs has failed, which is told
            if step.model and not self.tokenises:
                continue
            try:
                model = self.workshop.tokenizer_sha256 if step.model else ""
                key = self.known.key(step, [self._keys[name] for name in step.after], model)
                found = self.known.get(key)
                if found is None and not self.everything and step.kind != "demonstrate":
                    yield from self._leave(step, key)
                    continue
                if found is None:
                    found = self._looked(step, by_name, None if self.everything else most)
            except CalqueError as error:
                self.problems += error.problems
                continue
            self._keys[step.name] = key
            if "first" in found.counts:
                self.left["rows"] = None
            else:
                self.known.put(key, found)
                self.counts[step.name] = found.counts
            yield from found.lines

    def _leave(self, step: Step, key: str) -> Iterator[str]:
        """Put a step off; what its files' names alone tell is told."""
        short = list(step.short_of(self.counts)) if isinstance(step, Mix) else []
        if short:
            raise DataError(*short)
        self._keys[step.name] = key
        self.left[step.kind] = None
        if isinstance(step, Passages):
            yield f"passages in {step.given.language}: {step.preflight()}"
        if isinstance(step, Contamination):
            yield from (f"note: {trap}" for trap in step.traps())

    def _looked(self, step: Step, by_name: Mapping[str, Step], most: int | None) -> Looked:
        """Carry a step out, and before it those that it needs and of which there are only memories."""
        for name in step.after:
            if name not in self._made:
                self._looked(by_name[name], by_name, most)
        folder = self.scratch / step.name
        folder.mkdir()
        after = {name: self.scratch / name for name in step.after}
        counts = step.carry_out(Work(folder, after, self.workshop, unheard, trial=True, most=most))
        if "first" in counts and not counts["kept"]:  # a file of another form, or one that only begins badly
            rmtree(folder)
            return self._looked(step, by_name, None)
        self._made.add(step.name)
        return Looked(counts, list(_lines(step, counts, folder)))


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
        if "first" in counts:
            yield f"part {name}: of the first {counts['rows']:,} rows of {files} {usable:,} can be used{_each(dropped)}"
        else:
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
