"""Instruction data in one language: Alpaca rows, or conversations as messages or in ShareGPT's form, each row by its own fields."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from calque.corpora.alpaca import alpaca_row
from calque.corpora.exchange import CONVERSATIONS, conversation_row
from calque.corpora.json_rows import read_rows
from calque.languages import language as language_of
from calque.records import Demonstration, Rejected


def read_instructions(
    path: str | Path, language: str, licence: str = ""
) -> Iterator[Demonstration | Rejected]:
    """One demonstration per good row, in the order of the file; a bad row is `Rejected` with its reason.

    Reasons: those of `read_alpaca` for rows without a conversation, else those of `conversation_row`.
    """
    code = language_of(language).code
    name = Path(path).name
    for row in read_rows(path):
        if isinstance(row, Rejected):
            yield row
        elif isinstance(row.value, dict) and any(field in row.value for field in CONVERSATIONS):
            yield conversation_row(row, name, code, licence)
        else:
            yield alpaca_row(row, name, code, licence)
