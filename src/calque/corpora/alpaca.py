"""Alpaca files, `{instruction, input?, output}` as a JSON list or JSON lines, to demonstrations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from calque.corpora.json_rows import JsonRow, read_rows
from calque.languages import language as language_of
from calque.records import Demonstration, Message, Provenance, Rejected


def read_alpaca(path: str | Path, language: str, licence: str = "") -> Iterator[Demonstration | Rejected]:
    """One demonstration per good row, in the order of the file; a bad row is `Rejected` with its reason.

    Text is kept as it is, without Unicode normalisation, but for whitespace around each field. `input` may be
    missing or null, which both say that there is none. Reasons: `wrong_type`, `missing_field`, `empty_instruction`,
    `empty_response`, and those of `read_rows`. A broken file is a `DataError`.
    """
    code = language_of(language).code
    name = Path(path).name
    for row in read_rows(path):
        yield row if isinstance(row, Rejected) else alpaca_row(row, name, code, licence)


def alpaca_row(row: JsonRow, name: str, language: str, licence: str) -> Demonstration | Rejected:
    """The demonstration of one row of the file `name`; reasons as in `read_alpaca`."""

    def rejected(reason: str, detail: str) -> Rejected:
        return Rejected(name, row.row, reason, f"line {row.line}: {detail}", row.raw[:500])

    if not isinstance(row.value, dict):
        return rejected("wrong_type", f"the row is {kind_of(row.value)}, expected an object")
    for field in ("instruction", "output"):
        if field not in row.value:
            return rejected("missing_field", f"field {field!r} is missing")
    material = row.value.get("input")
    texts = [row.value["instruction"], "" if material is None else material, row.value["output"]]
    for field, text in zip(("instruction", "input", "output"), texts, strict=True):
        if not isinstance(text, str):
            return rejected("wrong_type", f"field {field!r} is {kind_of(text)}, expected text")
    instruction, material, response = (text.strip() for text in texts)
    if not instruction:
        return rejected("empty_instruction", "field 'instruction' is empty")
    if not response:
        return rejected("empty_response", "field 'output' is empty")
    return Demonstration(
        "instruction",
        (
            Message("user", instruction, language, input=material),
            Message("assistant", response, language, trained=True),
        ),
        Provenance(name, row.row, licence),
    )


def kind_of(value: object) -> str:
    """What a JSON value is, in words."""
    kinds = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "a number")
