"""BIG-Bench Hard (Suzgun et al. 2022): one JSON file a task, {"canary", "examples": [{"input", "target"}]}.

Zero-shot and without chain of thought. Exact match per task (`bbh/TASK`), and the plain mean over tasks (`bbh`),
its interval by a bootstrap within each task. An answer is compared so:

- a target that is a letter, `(B)`: by the letter that is read from the answer (`letters`), the options being the
  lines `(A) …` of the input; so `(B)`, `B` and the option's own text are all right;
- any other target: in NFKC form and folded case, white space made single, without quotation marks around it and
  without a full stop at the end. Brackets, signs and commas inside count (`] }`, `-35`).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_json
from calque.errors import DataError, Problem
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.letters import parse
from calque.evaluation.source import is_utf8, stem
from calque.evaluation.wording import LETTERS, Wording
from calque.records import Provenance, Rejected

_OPTION = re.compile(r"^\(([A-Z])\)[ \t]*(.*)$", re.MULTILINE)
_LETTER = re.compile(r"\(([A-Z])\)")


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The examples of task files; the task is the file's name."""
    seen: set[str] = set()
    for path in files:
        data = read_json(path)
        examples = data.get("examples") if isinstance(data, dict) else None
        if not isinstance(examples, list):
            raise DataError(
                Problem(
                    'not of the form of BBH: there is no list "examples"',
                    str(path),
                    remedy="give the task's file",
                )
            )
        for row, example in enumerate(examples, start=1):
            found = _item(path, row, example, language, wording)
            if isinstance(found, Item) and found.id in seen:
                yield Rejected(path.name, row, "duplicate_id", found.id)
                continue
            if isinstance(found, Item):
                seen.add(found.id)
            yield found


def _item(path: Path, row: int, example: Any, language: str, wording: Wording) -> Item | Rejected:
    question = example.get("input") if isinstance(example, dict) else None
    target = example.get("target") if isinstance(example, dict) else None
    raw = repr(example)[:500]
    if not isinstance(question, str) or not isinstance(target, str | None):
        return Rejected(path.name, row, "wrong_type", "input or target is not a string", raw)
    if not is_utf8(question + (target or "")):
        return Rejected(path.name, row, "invalid_utf8", "", raw)
    if not question.strip():
        return Rejected(path.name, row, "empty_question", "", raw)
    if not target or not target.strip():
        return Rejected(path.name, row, "no_gold", "", raw)
    choices = _choices(question)
    letter = _LETTER.fullmatch(target.strip())
    return Item(
        id=f"{stem(path)}:{row}",
        language=language,
        group=stem(path),
        question=question,
        conversation=wording.conversation(question),
        golds=(target.strip(),),
        provenance=Provenance(path.name, row),
        choices=choices,
        answerable=not letter or not choices or letter[1] in LETTERS[: len(choices)],
    )


def _choices(question: str) -> tuple[str, ...]:
    """The texts of lines (A) …, (B) …, if they run from A without a gap."""
    found = _OPTION.findall(question)
    letters = "".join(letter for letter, _ in found)
    return tuple(text.strip() for _, text in found) if found and letters == LETTERS[: len(found)] else ()


def plain(text: str) -> str:
    """A free answer as it is compared; see the head of this module."""
    text = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    return text.strip("\"'“”‘’«»").removesuffix(".").strip()


def is_correct(item: Item, answer: str) -> bool:
    """Whether an answer is the target of an item."""
    target = item.golds[0]
    if plain(answer) == plain(target):
        return True
    letter = _LETTER.fullmatch(target)
    if letter and not item.choices:
        return plain(answer).strip("().") == letter[1].lower()
    return bool(letter and parse(answer, item.choices, item.language) == letter[1])


def _exact_match(item: Item, reply: Reply) -> dict[str, float]:
    return {"exact_match": float(is_correct(item, reply.text))}


BBH = Benchmark(
    name="bbh",
    about="BIG-Bench Hard: a folder, or JSON files",
    form="bbh",
    read=read,
    graders=lambda _language: (Grader("bbh", ("exact_match",), _exact_match),),
    verdict="exact_match",
    max_new_tokens=64,
    ending=".json",
    per_group=True,
    examples_by_group=True,
)
