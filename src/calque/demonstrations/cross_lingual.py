"""Cross-lingual pairs to demonstrations, both ways (X-Instruction): instruction to answer, and answer to instruction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from calque.prompts.cross_lingual import Origin, instruction_request, reversed_request
from calque.records import CrossLingualPair, Demonstration, Message


def cross_lingual_demonstrations(
    pairs: Iterable[CrossLingualPair], origin: Origin
) -> Iterator[Demonstration]:
    """The instruction in English with the suffix of its origin, and the text in the pair's language, which is trained on."""
    for pair in pairs:
        request = instruction_request(pair.instruction, pair.input, pair.language, origin)
        answer = Message("assistant", pair.response, pair.language, trained=True)
        yield Demonstration("cross-lingual", (request, answer), pair.provenance)


def reversed_demonstrations(pairs: Iterable[CrossLingualPair]) -> Iterator[Demonstration]:
    """A text in the pair's language, and the instruction in English that it answers, which is trained on.

    Of an instruction with material the generator is to write both, the material below.
    """
    for pair in pairs:
        written = f"{pair.instruction}\n{pair.input}" if pair.input else pair.instruction
        answer = Message("assistant", written, "en", trained=True)
        yield Demonstration(
            "reversed", (reversed_request(pair.response, pair.language), answer), pair.provenance
        )
