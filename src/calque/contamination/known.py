"""Well-known sets: fingerprints of those that are sometimes taken for training data, and which set holds which other.

`known_sets.json` has the prompts of MT-bench in English, bn, de, es, hi, it and th, and Vicuna's questions in English, ar,
de, es, hi, id, it and zh; none of them is in Alpaca, Dolly or OpenAssistant.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

_NEITHER = re.compile(r"[^a-z0-9]+")  # letter nor digit
SHORTEST = 16  # bytes: shorter prompts are everybody's


def fingerprint(*texts: str) -> str:
    """16 hex digits of a prompt's letters and digits, whatever their case and form; nothing for a short one."""
    plain = "".join(map(_plain, texts)).encode(errors="backslashreplace")
    return hashlib.sha256(plain).hexdigest()[:16] if len(plain) >= SHORTEST else ""


@lru_cache(maxsize=4096)  # many questions are about one text
def _plain(text: str) -> str:
    if text.isascii():
        return _NEITHER.sub("", text.lower())
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


@cache
def known_sets() -> dict[str, list[str]]:
    """Fingerprints of well-known evaluation sets, by the set's name."""
    text = (resources.files("calque.contamination") / "known_sets.json").read_text(encoding="utf-8")
    sets: dict[str, list[str]] = json.loads(text)
    return sets


@dataclass(frozen=True, slots=True)
class Trap:
    """Files of another name that hold a benchmark: those whose names `files` finds hold what `benchmarks` ask."""

    benchmarks: tuple[str, ...]
    files: str
    what: str


TRAPS = (
    Trap(("xquad",), r"squad.*dev|dev.*squad", "XQuAD is 240 paragraphs of SQuAD v1.1's dev set, and their translations"),
    Trap(
        ("xquad", "mlqa"), r"translate[-_ ]?train",
        "MLQA's translate-train holds translations of SQuAD v1.1's train and dev sets, and XQuAD is from the latter",
    ),
    Trap(("mlqa",), r"mlqa|translate[-_ ]?test", "MLQA's items are the same in all its languages"),
    Trap(("mmlu", "mmlu_cloze", "global_mmlu"), r"mmlu|hendrycks", "MMLU's translations ask what MMLU asks"),
    Trap(("bbh",), r"big[-_ ]?bench|bbh", "BIG-Bench Hard is 23 tasks of BIG-bench"),
    Trap(("belebele",), r"flores|sib[-_ ]?200|ntrex.*flores", "Belebele's passages are those of FLORES-200, as are SIB-200's"),
    Trap(("mgsm",), r"gsm8k.*test|test.*gsm8k|mgsm", "MGSM is 250 problems of GSM8K's test set, and their translations"),
    Trap(("msvamp",), r"svamp", "MSVAMP is SVAMP's test set and its translations"),
    Trap(("xnli",), r"(multi|m|x)nli.*(dev|test)|(dev|test).*nli", "XNLI is the same pairs in all its languages"),
    Trap(("xcopa",), r"copa", "XCOPA is COPA's test set and its translations"),
    Trap(("pawsx",), r"paws", "PAWS-X is PAWS-Wiki's dev and test sets and their translations"),
    Trap(("xwinograd",), r"winograd|wsc", "XWinograd's English is the Winograd schema challenge"),
)  # fmt: skip


def traps(files: Iterable[str], benchmarks: Iterable[str]) -> Iterator[str]:
    """For each file to train on that is named as if it held one of the benchmarks, what is known of that."""
    asked = set(benchmarks)
    for name in files:
        for trap in TRAPS:
            if asked.intersection(trap.benchmarks) and re.search(trap.files, name, re.IGNORECASE):
                yield f"{name}: {trap.what}"
