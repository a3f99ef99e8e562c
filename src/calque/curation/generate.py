"""From what a generator wrote for a passage to a candidate: an English instruction with the passage as its answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from calque.curation.selection import Amount, wanted
from calque.identify import UNDETERMINED, identify
from calque.randomness import rank
from calque.records import CrossLingualPair, Passage, Rejected

SURE = 0.9  # that an instruction is in another language than English: short ones are hard to tell


def draw_passages(passages: Sequence[Passage], amount: Amount, seed: int) -> list[Passage]:
    """So many passages, or a share of them, in their order; of fewer all. Under one seed fewer are part of more."""
    if amount == "all":
        return list(passages)
    order = sorted(range(len(passages)), key=lambda i: rank(seed, "passages", passages[i].id))
    return [passages[i] for i in sorted(order[: wanted(amount, len(passages))])]


def candidate(passage: Passage, written: Mapping[str, Any], seen: set[str]) -> CrossLingualPair | Rejected:
    """The pair, its id added to `seen`; or why there is none.

    Reasons: `prompt_too_long` (no room in the model's context), `empty`, `unfinished` (cut off by the limit), `not_english`,
    `repeats_the_text` (a passage of more than a few words stands in it whole), `duplicate`; and why a request to another
    model was not answered (`failure`).
    """
    source = passage.provenance
    if "failure" in written:
        return Rejected(
            source.dataset, source.row, str(written["failure"]), str(written["detail"]), passage.text[:500]
        )
    text = str(written["text"])
    pair = CrossLingualPair(text, passage.text, passage.language, source)
    reason = _wrong(text, passage, written)
    if not reason and pair.id in seen:
        reason = "duplicate"
    if reason:
        return Rejected(source.dataset, source.row, reason, text[:200], passage.text[:500])
    seen.add(pair.id)
    return pair


def _wrong(text: str, passage: Passage, written: Mapping[str, Any]) -> str:
    if not text:
        nothing = not written["tokens"] and not written["finished"]
        return "prompt_too_long" if nothing else "empty"
    if not written["finished"]:
        return "unfinished"
    if len(passage.text) > 20 and passage.text in text:
        return "repeats_the_text"
    guess = identify(text)
    if guess.code not in ("en", UNDETERMINED) and guess.confidence >= SURE:
        return "not_english"
    return ""
