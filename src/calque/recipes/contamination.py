"""Whether what is trained on holds questions of what is measured: then the scores say nothing, and the run is refused.

Prompts are compared whole, by their letters and digits alone. Besides the recipe's own benchmarks there are fingerprints
of well-known sets that are sometimes taken for training data (`evaluation_sets.json`: MT-bench in English, bn, de, es, hi,
it and th; Vicuna's questions in English, ar, de, es, hi, id, it and zh; none of them is in Alpaca, Dolly or OpenAssistant).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path

from calque.corpora.demonstration_files import read_demonstrations
from calque.errors import Problem
from calque.prompts.turns import request_in
from calque.records import Demonstration, Message

SHORTEST = 16  # bytes: shorter prompts are everybody's
REMEDY = "take these rows out of the training data: scores on questions that were trained on say nothing"


def overlaps(
    demonstrated: Iterable[Path], asked: Mapping[str, Iterable[tuple[str, ...]]]
) -> Iterator[Problem]:
    """A problem for each training file and set of questions that have prompts in common.

    `demonstrated` are files of demonstrations; `asked` gives for each set the texts of its questions: a question, or a
    question and the text or the options that it is about.
    """
    sets: dict[str, set[str]] = {}
    for name, fingerprints in known_sets().items():
        for fingerprint_ in fingerprints:
            sets.setdefault(fingerprint_, set()).add(name)
    for name, questions in asked.items():
        for texts in questions:
            for fingerprint_ in {fingerprint(*texts), fingerprint(*reversed(texts))} - {""}:
                sets.setdefault(fingerprint_, set()).add(name)
    hits: dict[tuple[str, str], set[int]] = {}
    for path in demonstrated:
        for demonstration in read_demonstrations(path):
            source = demonstration.provenance
            for name in {name for f in _fingerprints(demonstration) for name in sets.get(f, ())}:
                hits.setdefault((source.dataset, name), set()).add(source.row)
    for (file, name), rows in sorted(hits.items()):
        what = "rows hold questions" if len(rows) > 1 else "row holds a question"
        message = f"{len(rows):,} {what} of {name}, row {min(rows)} for one: that is there to be evaluated on"
        yield Problem(message, file, min(rows), REMEDY)


def fingerprint(*texts: str) -> str:
    """16 hex digits of a prompt's letters and digits, whatever their case and form; nothing for a short one."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKC", "".join(texts)).casefold() if c.isalnum()
    ).encode()
    return hashlib.sha256(plain).hexdigest()[:16] if len(plain) >= SHORTEST else ""


@cache
def known_sets() -> dict[str, list[str]]:
    """Fingerprints of well-known evaluation sets, by the set's name."""
    text = (resources.files("calque.recipes") / "evaluation_sets.json").read_text(encoding="utf-8")
    sets: dict[str, list[str]] = json.loads(text)
    return sets


def _fingerprints(demonstration: Demonstration) -> Iterator[str]:
    for message in demonstration.messages:
        if message.role == "user":
            yield from _of_request(message)
        elif demonstration.kind == "chat" and message.language == "en":
            yield fingerprint(request_in(message.text))


def _of_request(message: Message) -> Iterator[str]:
    """Of a request with its material in either order, and without a last line, in which a view may ask for English."""
    before_last, _, _ = message.text.rpartition("\n")
    for text in {message.text, before_last} - {""}:
        yield fingerprint(text)
        if message.input:
            yield fingerprint(text, message.input)
            yield fingerprint(message.input, text)
    if message.input:
        yield fingerprint(message.input)
