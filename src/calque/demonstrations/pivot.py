"""Instruction pairs to pivot demonstrations: both answers in one turn, and how the second is read from it.

After PLUG (Zhang et al., ACL 2024), whose answer begins with the instruction in English too; ours with the response.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from calque.prompts.turns import marker, turns
from calque.records import Demonstration, InstructionPair, Message


def pivot_demonstrations(
    pairs: Iterable[InstructionPair], *, prompt_language: Literal["target", "english"] = "target"
) -> Iterator[Demonstration]:
    """One demonstration of each pair; of several requests each is answered in both languages."""
    for pair in pairs:
        asked = turns("en" if prompt_language == "english" else pair.language, pair.language)
        messages: list[Message] = []
        for i in range(0, len(pair.target), 2):
            both = pivot_answer(pair.english[i + 1].text, pair.target[i + 1].text, pair.language)
            messages += [
                asked.in_both(pair.target[i]),
                Message("assistant", both, pair.language, trained=True),
            ]
        yield Demonstration("pivot", tuple(messages), pair.provenance)


def pivot_answer(english: str, target: str, language: str) -> str:
    """Both answers in one, each behind its marker."""
    return f"{marker('en')}\n{english}\n\n{marker(language)}\n{target}"


def answer_in(language: str, text: str) -> str:
    """The answer in `language` of a text that should hold both: what stands behind the first line that is its marker.

    An answer that has the English marker alone broke off, or never came to the language: that is no answer, and empty.
    One without any marker is taken as it stands.
    """
    found = _line(marker(language), text)
    if found is not None:
        return text[found.end() :].strip()
    return "" if _line(marker("en"), text) is not None else text.strip()


def _line(mark: str, text: str) -> re.Match[str] | None:
    return re.search(rf"^[ \t]*{re.escape(mark)}[ \t]*$", text, re.MULTILINE)
