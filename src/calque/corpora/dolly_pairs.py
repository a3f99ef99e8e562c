"""Dolly's form with the original beside the translation, as JSON lines, to `InstructionPair`s.

{instruction, context, response} are in the target language, {orig_instruction, orig_context, orig_response} in English.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from calque.corpora.alpaca import kind_of
from calque.corpora.json_rows import JsonRow, read_rows
from calque.records import Conversation, InstructionPair, Message, Provenance, Rejected

FIELDS = ("instruction", "context", "response")


def read_dolly(path: Path, language: str, licence: str = "") -> Iterator[InstructionPair | Rejected]:
    """One pair per good row. `context` may be missing, null or empty, which all say that there is none.

    Reasons: `wrong_type`, `missing_field`, `empty_instruction`, `empty_response`, `missing_side` (a context in one
    language alone), `identical_sides`, and those of `read_rows`.
    """
    for row in read_rows(path):
        yield row if isinstance(row, Rejected) else _pair(row, path.name, language, licence)


def _pair(row: JsonRow, name: str, language: str, licence: str) -> InstructionPair | Rejected:
    def rejected(reason: str, detail: str) -> Rejected:
        return Rejected(name, row.row, reason, f"line {row.line}: {detail}", row.raw[:500])

    if not isinstance(row.value, dict):
        return rejected("wrong_type", f"the row is {kind_of(row.value)}, expected an object")
    sides: list[tuple[str, str, str]] = []
    for prefix in ("orig_", ""):
        texts = []
        for field in FIELDS:
            given = row.value.get(prefix + field)
            if given is None and field != "context":
                return rejected("missing_field", f"field {prefix + field!r} is missing")
            if not isinstance(given, str | None):
                return rejected("wrong_type", f"field {prefix + field!r} is {kind_of(given)}, expected text")
            texts.append((given or "").strip())
        for text, field in ((texts[0], "instruction"), (texts[2], "response")):
            if not text:
                return rejected(f"empty_{field}", f"field {prefix + field!r} is empty")
        sides.append((texts[0], texts[1], texts[2]))
    if bool(sides[0][1]) != bool(sides[1][1]):
        return rejected("missing_side", f"there is a context in {'en' if sides[0][1] else language} alone")
    if sides[0] == sides[1]:
        return rejected("identical_sides", "nothing is translated")
    english, target = (_conversation(side, code) for side, code in zip(sides, ("en", language), strict=True))
    return InstructionPair(english, target, language, Provenance(name, row.row, licence))


def _conversation(side: tuple[str, str, str], language: str) -> Conversation:
    request, context, response = side
    return Message("user", request, language, input=context), Message("assistant", response, language)
