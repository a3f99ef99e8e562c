"""Instruction pairs to instruction-following demonstrations in one of their languages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from calque.records import Demonstration, InstructionPair


def instruction_demonstrations(pairs: Iterable[InstructionPair], language: str) -> Iterator[Demonstration]:
    """The side in `language` (English, or the pair's own) as it stands; every response is trained."""
    for pair in pairs:
        side = pair.english if language == "en" else pair.target
        messages = tuple(replace(message, trained=message.role == "assistant") for message in side)
        yield Demonstration("instruction", messages, pair.provenance)
