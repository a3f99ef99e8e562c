"""How many sentences a text has, by its marks."""

from __future__ import annotations

import regex

_END = regex.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？｡।॥؟۔]+[」』”’）]*")
_ABBREVIATION = regex.compile(
    r"(?:^|[\s(])(?:\p{L}|\p{L}\.\p{L}|dr|mr|mrs|ms|prof|st|vs|etc|fig|no|nr|sr|sra|srta|dra|ud|uds|bzw|usw|ecc|dott|pág|núm)\.$",
    regex.IGNORECASE,
)


def sentence_count(text: str) -> int:
    """Marks that end a sentence, and the ends of paragraphs and list items that have none."""
    return sum(_in_line(line) for line in text.splitlines())


def _in_line(line: str) -> int:
    found, start = 0, 0
    for end in _END.finditer(line):
        said = line[start : end.end()]
        more = line[end.end() :].strip()
        if regex.search(r"\w", said) and not (more and _abbreviates(said)) and not _is_numeral(said):
            found, start = found + 1, end.end()
    return found + bool(regex.search(r"\w", line[start:]))


def _abbreviates(said: str) -> bool:
    return bool(_ABBREVIATION.search(said))


def _is_numeral(said: str) -> bool:
    """`1.` before an item of a list."""
    return bool(regex.fullmatch(r"\s*\d+\.", said))
