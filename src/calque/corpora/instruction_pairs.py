"""Instruction data in English and another language, row by row the same, to `InstructionPair`s.

Three forms: Alpaca files in both languages, Dolly's with the original beside the translation (`dolly_pairs`), and the
messages of OpenAssistant's conversation trees with theirs (`oasst_pairs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

from calque.corpora.alpaca import alpaca_row
from calque.corpora.dolly_pairs import read_dolly
from calque.corpora.json_rows import JsonRow, read_rows
from calque.corpora.oasst_pairs import read_oasst
from calque.errors import DataError, Problem
from calque.records import Demonstration, InstructionPair, Rejected


@dataclass(frozen=True, slots=True)
class AlpacaPair:
    """Two Alpaca files, English and other; `section` is what an index calls them where there are several."""

    english: Path
    target: Path
    section: str = ""


@dataclass(frozen=True, slots=True)
class InstructionPairFiles:
    """Where the pairs of a language lie, in one of the three forms.

    Alpaca files (`alpaca`) are joined row by row, or by an `index`: JSON lines {en_row, LANG_row or target_row, and
    perhaps range, score}, rows counting from 0 in their file, `range` being its section. Pairs whose score is under
    `minimal_score` are put aside. Of `oasst` trees every conversation is taken, or with `best_branch` the one in which
    the best of the replies follows each message.
    """

    language: str
    alpaca: tuple[AlpacaPair, ...] = ()
    index: Path | None = None
    minimal_score: float = 0.0
    dolly: tuple[Path, ...] = ()
    oasst: tuple[Path, ...] = ()
    best_branch: bool = False
    licence: str = ""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files to be read."""
        sides = tuple(path for pair in self.alpaca for path in (pair.english, pair.target))
        return (*((self.index,) if self.index is not None else ()), *sides, *self.dolly, *self.oasst)


def read_instruction_pairs(files: InstructionPairFiles) -> Iterator[InstructionPair | Rejected]:
    """The pairs, in the order of the files, or of the index.

    Reasons: those of `read_alpaca` for either side; `identical_sides` (nothing was translated); by an index
    `low_score`, `no_such_row`, `no_such_file`; those of `read_dolly` and `read_oasst`. Files of unequal length without
    an index are a `DataError`.
    """
    for path in files.dolly:
        yield from read_dolly(path, files.language, files.licence)
    for path in files.oasst:
        yield from read_oasst(path, files.language, files.licence, best_branch=files.best_branch)
    if files.index is not None:
        yield from _joined(files, files.index)
    else:
        for pair in files.alpaca:
            yield from _side_by_side(pair, files)


def _side_by_side(pair: AlpacaPair, files: InstructionPairFiles) -> Iterator[InstructionPair | Rejected]:
    lines = [0, 0]
    for english, target in zip_longest(read_rows(pair.english), read_rows(pair.target)):
        lines[0] += english is not None
        lines[1] += target is not None
        if english is not None and target is not None:
            yield _pair(english, target, pair, files)
    if lines[0] != lines[1]:
        message = (
            f"has {lines[0]} rows, and {pair.target} has {lines[1]}: row i is to be a translation of row i"
        )
        remedy = "the files are no pair, or one of them lost rows; an index (sources.parallel) can say which row is which"
        raise DataError(Problem(message, str(pair.english), remedy=remedy))


def _joined(files: InstructionPairFiles, index: Path) -> Iterator[InstructionPair | Rejected]:
    """The pairs that an index names; of each section both files are held while its rows come."""
    sections = {pair.section: pair for pair in files.alpaca}
    held: tuple[str, list[JsonRow | Rejected], list[JsonRow | Rejected]] | None = None
    for row in read_rows(index):
        if isinstance(row, Rejected):
            yield row
            continue
        entry = _entry(row, index.name, files)
        if isinstance(entry, Rejected):
            yield entry
            continue
        section, numbers = entry
        pair = sections.get(section) or (sections.get("") if len(sections) == 1 else None)
        if pair is None:
            there = ", ".join(sections)
            yield Rejected(
                index.name, row.row, "no_such_file", f"range {section!r}; there are: {there}", row.raw[:500]
            )
            continue
        if held is None or held[0] != pair.section:
            held = (pair.section, list(read_rows(pair.english)), list(read_rows(pair.target)))
        if numbers[0] >= len(held[1]) or numbers[1] >= len(held[2]):
            detail = f"rows {numbers[0]} and {numbers[1]}; there are {len(held[1])} and {len(held[2])}"
            yield Rejected(index.name, row.row, "no_such_row", detail, row.raw[:500])
            continue
        yield _pair(held[1][numbers[0]], held[2][numbers[1]], pair, files)


def _entry(row: JsonRow, name: str, files: InstructionPairFiles) -> tuple[str, tuple[int, int]] | Rejected:
    """Section and the two rows of one line of an index."""

    def rejected(reason: str, detail: str) -> Rejected:
        return Rejected(name, row.row, reason, f"line {row.line}: {detail}", row.raw[:500])

    value: Any = row.value
    if not isinstance(value, dict):
        return rejected("wrong_type", "the row is no object")
    target = f"{files.language}_row" if f"{files.language}_row" in value else "target_row"
    numbers: list[Any] = [value.get("en_row"), value.get(target)]
    for field, number in zip(("en_row", target), numbers, strict=True):
        if number is None:
            return rejected("missing_field", f"field {field!r} is missing")
        if type(number) is not int or number < 0:
            return rejected("wrong_type", f"field {field!r} is {number!r}, expected a row from 0")
    score = value.get("score", files.minimal_score)
    if not isinstance(score, int | float) or isinstance(score, bool):
        return rejected("wrong_type", f"field 'score' is {score!r}, expected a number")
    if score < files.minimal_score:
        return rejected("low_score", f"{score} is under {files.minimal_score}")
    return str(value.get("range", "")), (numbers[0], numbers[1])


def _pair(
    english: JsonRow | Rejected, target: JsonRow | Rejected, pair: AlpacaPair, files: InstructionPairFiles
) -> InstructionPair | Rejected:
    one = _side(english, pair.english, "en", files.licence)
    other = _side(target, pair.target, files.language, files.licence)
    if isinstance(other, Rejected):
        return other
    if isinstance(one, Rejected):
        return one
    english_side, target_side = (
        tuple(replace(message, trained=False) for message in side.messages) for side in (one, other)
    )
    if english_side[0].texts + english_side[1].texts == target_side[0].texts + target_side[1].texts:
        source = other.provenance
        return Rejected(source.dataset, source.row, "identical_sides", "", english_side[0].text[:500])
    return InstructionPair(english_side, target_side, files.language, other.provenance)


def _side(row: JsonRow | Rejected, path: Path, language: str, licence: str) -> Demonstration | Rejected:
    return row if isinstance(row, Rejected) else alpaca_row(row, path.name, language, licence)
