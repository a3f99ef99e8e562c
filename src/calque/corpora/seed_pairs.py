"""Seed data of X-Instruction: an instruction in English, and its answer in another language.

Four forms: an Alpaca file that has both in one row; parallel instruction data (`instruction_pairs`), of which the English
request and the other language's response are taken; and questions in one file with answers in another, by `question_id`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calque.corpora.alpaca import alpaca_row
from calque.corpora.instruction_pairs import InstructionPairFiles, read_instruction_pairs
from calque.corpora.json_rows import JsonRow, read_rows
from calque.languages import language as language_of
from calque.records import CrossLingualPair, InstructionPair, Provenance, Rejected


@dataclass(frozen=True, slots=True)
class SeedFiles:
    """Where the seed of a language lies, in one or several of the forms."""

    language: str
    alpaca: tuple[Path, ...] = ()
    parallel: InstructionPairFiles | None = None
    questions: tuple[Path, ...] = ()
    answers: tuple[Path, ...] = ()
    licence: str = ""

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files to be read."""
        parallel = self.parallel.paths if self.parallel is not None else ()
        return (*self.alpaca, *parallel, *self.questions, *self.answers)


def read_seed(files: SeedFiles) -> Iterator[CrossLingualPair | Rejected]:
    """The pairs, in the order of the files. Of a conversation the first request and its answer are taken.

    Reasons: those of `read_alpaca` and of `read_instruction_pairs`; of questions and answers `wrong_type`,
    `missing_field`, `no_such_question`, `empty_response`; `duplicate` where an earlier pair is the same, as of conversations
    that begin alike.
    """
    seen: set[str] = set()
    for pair in _all(files):
        if isinstance(pair, Rejected):
            yield pair
        elif pair.id in seen:
            source = pair.provenance
            yield Rejected(source.dataset, source.row, "duplicate", pair.id, pair.instruction[:500])
        else:
            seen.add(pair.id)
            yield pair


def _all(files: SeedFiles) -> Iterator[CrossLingualPair | Rejected]:
    code = language_of(files.language).code
    for path in files.alpaca:
        for row in read_rows(path):
            yield row if isinstance(row, Rejected) else _both_in_one(row, path.name, code, files.licence)
    if files.parallel is not None:
        for pair in read_instruction_pairs(files.parallel):
            yield pair if isinstance(pair, Rejected) else _first_exchange(pair)
    if files.questions:
        yield from _answered(files, code)


def _both_in_one(row: JsonRow, name: str, language: str, licence: str) -> CrossLingualPair | Rejected:
    found = alpaca_row(row, name, language, licence)
    if isinstance(found, Rejected):
        return found
    request, answer = found.messages
    return CrossLingualPair(request.text, answer.text, language, found.provenance, input=request.input)


def _first_exchange(pair: InstructionPair) -> CrossLingualPair:
    request, english = pair.english[:2]
    return CrossLingualPair(
        request.text, pair.target[1].text, pair.language, pair.provenance, request.input, english.text
    )


def _answered(files: SeedFiles, language: str) -> Iterator[CrossLingualPair | Rejected]:
    """Each answer with its question; both as FastChat writes them: {question_id, turns: […]}, {question_id, choices: […]}."""
    asked: dict[str, str] = {}
    for path in files.questions:
        for row in read_rows(path):
            found = row if isinstance(row, Rejected) else _said(row, path.name, ("turns",))
            if isinstance(found, Rejected):
                yield found
            else:
                asked[found[0]] = found[1]
    for path in files.answers:
        for row in read_rows(path):
            found = row if isinstance(row, Rejected) else _said(row, path.name, ("choices", "turns"))
            if isinstance(found, Rejected):
                yield found
                continue
            id_, answer = found
            number = row.row
            if id_ not in asked:
                yield Rejected(path.name, number, "no_such_question", id_, answer[:500])
            else:
                yield CrossLingualPair(
                    asked[id_], answer, language, Provenance(path.name, number, files.licence)
                )


def _said(row: JsonRow, name: str, way: tuple[str, ...]) -> tuple[str, str] | Rejected:
    """The id of a row, and the first text along `way`: a list at each name, of texts or of {content: text} in the end."""
    value: Any = row.value
    if not isinstance(value, dict):
        return Rejected(name, row.row, "wrong_type", f"line {row.line}: the row is no object", row.raw[:500])
    id_ = value.get("question_id")
    for field in way:
        value = value.get(field) if isinstance(value, dict) else None
        value = value[0] if isinstance(value, list) and value else None
    value = value.get("content") if isinstance(value, dict) else value
    if id_ is None or value is None:
        missing = "question_id" if id_ is None else " of ".join(reversed(way))
        return Rejected(
            name, row.row, "missing_field", f"line {row.line}: {missing} is missing", row.raw[:500]
        )
    if not isinstance(value, str):
        return Rejected(
            name, row.row, "wrong_type", f"line {row.line}: what is said is no text", row.raw[:500]
        )
    if not value.strip():
        return Rejected(name, row.row, "empty_response", f"line {row.line}: nothing is said", row.raw[:500])
    return str(id_), value.strip()
