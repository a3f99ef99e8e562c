"""Parallel sentences from TSV, two Moses files, TMX or JSON lines to `SentencePair`s, always as a stream.

Which side was the source on disk plays no part: a pair is English and the other language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

from calque.corpora.files import form_of, read_lines
from calque.corpora.json_rows import read_rows
from calque.corpora.tmx import read_units
from calque.errors import DataError, Problem
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of
from calque.records import Provenance, Rejected, SentencePair


@dataclass(frozen=True, slots=True)
class PairFiles:
    """Where the pairs of a language lie: in one file (`path`), or line by line in two (`english`, `target`).

    `path` is told by its name: `.tsv`, `.txt` or `.tab` (columns count from 0), `.tmx`, `.json` or `.jsonl`; any of
    them may be packed (`.gz`, `.zst`).
    """

    language: str
    path: str | Path = ""
    english: str | Path = ""
    target: str | Path = ""
    english_column: int = 0
    target_column: int = 1
    licence: str = ""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files to be read."""
        return (Path(self.path),) if self.path else (Path(self.english), Path(self.target))


def read_pairs(files: PairFiles) -> Iterator[SentencePair | Rejected]:
    """The pairs, in the order of the file. Text is kept as it is, but for whitespace around each side.

    Reasons: `empty_side`; `identical_sides` (nothing was translated, so nothing can be learnt from it);
    `wrong_columns` (another number than the first row has); `header` (a first row of language names); `missing_side`
    and `wrong_type` (TMX, JSON); `invalid_utf8`; `invalid_json`. Broken files, files of unequal length and files
    without a single pair of the two languages are a `DataError`.
    """
    code = language_of(files.language).code
    if code == "en":
        raise DataError(Problem("pairs of English with English are asked for", str(files.paths[0])))
    if not files.path:
        if not (files.english and files.target):
            problem = "a file with both sides, or one for each side, is needed"
            raise DataError(Problem(problem, str(files.english or files.target)))
        return _moses(files, code)
    suffix = form_of(files.path)
    if suffix == ".tmx":
        return _tmx(files, code)
    if suffix in (".json", ".jsonl", ".ndjson"):
        return _json(files, code)
    if suffix in (".tsv", ".txt", ".tab"):
        return _tsv(files, code)
    remedy = "known are .tsv, .txt, .tab, .tmx, .json, .jsonl (each also .gz or .zst), or two files, one for each side"
    raise DataError(
        Problem(f"no form of pairs is known by the ending {suffix!r}", str(files.path), remedy=remedy)
    )


def _pair(english: str, target: str, code: str, provenance: Provenance) -> SentencePair | Rejected:
    english, target = english.strip(), target.strip()
    if english and target and english != target:
        return SentencePair(english, target, code, provenance)
    reason = "identical_sides" if english and target else "empty_side"
    detail = "" if reason == "identical_sides" else f"{code if english else 'en'} is empty"
    return Rejected(provenance.dataset, provenance.row, reason, detail, f"{english}\t{target}"[:500])


def _tsv(files: PairFiles, code: str) -> Iterator[SentencePair | Rejected]:
    name = Path(files.path).name
    needed, columns = max(files.english_column, files.target_column) + 1, 0
    for row, line in enumerate(read_lines(files.path), start=1):
        if isinstance(line, Rejected):
            yield line
            continue
        cells = line.split("\t")
        if not columns and len(cells) >= needed:
            columns = len(cells)
        if len(cells) != columns:
            expected = f"{columns} as in the first row" if columns else f"at least {needed}"
            yield Rejected(
                name, row, "wrong_columns", f"{len(cells)} columns, expected {expected}", line[:500]
            )
            continue
        english, target = cells[files.english_column], cells[files.target_column]
        if row == 1 and code_of_tag(english.strip()) and code_of_tag(target.strip()):
            yield Rejected(name, row, "header", "a row of language names", line[:500])
        else:
            yield _pair(english, target, code, Provenance(name, row, files.licence))


def _moses(files: PairFiles, code: str) -> Iterator[SentencePair | Rejected]:
    name = f"{Path(files.english).name} + {Path(files.target).name}"
    lines = [0, 0]
    for english, target in zip_longest(read_lines(files.english), read_lines(files.target)):
        lines[0] += english is not None
        lines[1] += target is not None
        if english is None or target is None:
            continue  # count on to the end, then say so
        damaged = next((side for side in (english, target) if isinstance(side, Rejected)), None)
        if damaged is not None:
            yield damaged
        else:
            yield _pair(str(english), str(target), code, Provenance(name, lines[0], files.licence))
    if lines[0] != lines[1]:
        message = f"has {lines[0]} lines, and {files.target} has {lines[1]}: line i is to be a translation of line i"
        remedy = "the two files are no pair, or one of them was cut off or had lines taken out"
        raise DataError(Problem(message, str(files.english), min(lines) + 1, remedy))


def _tmx(files: PairFiles, code: str) -> Iterator[SentencePair | Rejected]:
    rows = ((row, unit) for row, unit in enumerate(read_units(files.path), start=1))
    yield from _by_language(files, code, rows)


def _json(files: PairFiles, code: str) -> Iterator[SentencePair | Rejected]:
    rows = (r if isinstance(r, Rejected) else (r.row, r.value) for r in read_rows(files.path))
    yield from _by_language(files, code, rows)


def _by_language(
    files: PairFiles, code: str, rows: Iterator[tuple[int, Any] | Rejected]
) -> Iterator[SentencePair | Rejected]:
    """Pairs of rows that are mappings from language tags to texts, alone or under `translation`."""
    name = Path(files.path).name
    seen: dict[str, None] = {}
    units = found = 0
    for item in rows:
        if isinstance(item, Rejected):
            yield item
            continue
        units += 1
        row, value = item
        sides = value.get("translation", value) if isinstance(value, Mapping) else value
        if not isinstance(sides, Mapping):
            yield Rejected(name, row, "wrong_type", "the row holds no texts by language", str(value)[:500])
            continue
        english, target = _side(sides, "en"), _side(sides, code)
        if english is None or target is None:
            seen.update(dict.fromkeys(sides))
            detail = f"{'en' if english is None else code} is missing; there are: {', '.join(sides)}"
            yield Rejected(name, row, "missing_side", detail, str(value)[:500])
        elif not (isinstance(english, str) and isinstance(target, str)):
            yield Rejected(name, row, "wrong_type", "a side is not text", str(value)[:500])
        else:
            found += 1
            yield _pair(english, target, code, Provenance(name, row, files.licence))
    if units and not found:
        there = ", ".join(list(seen)[:20]) or "none"
        message = f"no row has both en and {code}"
        raise DataError(
            Problem(message, str(files.path), remedy=f"languages (or fields) in the file: {there}")
        )


def _side(sides: Mapping[str, Any], code: str) -> Any:
    if code in sides:
        return sides[code]
    return next((text for tag, text in sides.items() if code_of_tag(tag) == code), None)


@lru_cache(maxsize=4096)
def code_of_tag(tag: str) -> str | None:
    """The registry's code for a tag such as `es-LA`, `eng` or `en-US`.

    A region is left out where the registry does not know it, but for Chinese, where it tells the script.
    """
    main, _, region = tag.replace("_", "-").partition("-")
    for candidate in (tag, main if region and main.lower() not in ("zh", "zho") else ""):
        try:
            return language_of(candidate).code
        except UnknownLanguageError:
            continue
    return None
