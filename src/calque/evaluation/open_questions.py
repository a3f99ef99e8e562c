"""Open-ended questions without gold answers, as JSON lines: those of Vicuna, MT-bench, Koala, WizardLM and their translations.

Nothing here says whether an answer is good; that is for a judge, or for whoever knows the truth. What is measured is
`finished`: the share of answers that came to their end within the limit, and `in_language`: the share in the language
of the question, of those that are long enough to tell. Of a question in several turns the first is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import JsonRow, read_rows
from calque.evaluation.answer_language import LANGUAGE
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply, once
from calque.evaluation.source import is_utf8
from calque.evaluation.wording import Wording
from calque.records import Message, Provenance, Rejected

IDS = ("question_id", "id", "idx", "key")
TEXTS = ("text", "prompt", "query", "instruction", "Instruction", "turns")
GROUPS = ("category", "label", "Skill")


def read(files: Sequence[Path], language: str, _wording: Wording) -> Iterator[Item | Rejected]:
    """The questions. Reasons to put a row aside: `wrong_type`, `missing_field`, `empty_question`, `duplicate_id`."""
    return once(
        row if isinstance(row, Rejected) else _item(row, path.name, language)
        for path in files
        for row in read_rows(path)
    )


def _item(row: JsonRow, file: str, language: str) -> Item | Rejected:
    def rejected(reason: str, detail: str) -> Rejected:
        return Rejected(file, row.row, reason, f"line {row.line}: {detail}", row.raw[:500])

    if not isinstance(row.value, dict):
        return rejected("wrong_type", "the row is no object")
    id_, text = (_first(row.value, names) for names in (IDS, TEXTS))
    if id_ is None or text is None:
        names = IDS if id_ is None else TEXTS
        return rejected("missing_field", f"none of the fields {', '.join(names)} is there")
    question = _question(text)
    if question is None or not isinstance(id_, str | int):
        return rejected("wrong_type", "the id or the question is not text")
    if not question.strip():
        return rejected("empty_question", str(id_))
    if not is_utf8(question + str(id_)):
        return rejected("invalid_utf8", ascii(id_))
    return Item(
        id=str(id_),
        language=language,
        group=str(_first(row.value, GROUPS) or ""),
        question=question.strip(),
        conversation=(Message("user", question.strip(), language),),
        golds=(),
        provenance=Provenance(file, row.row),
    )


def _first(row: dict[str, Any], names: Sequence[str]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _question(value: Any) -> str | None:
    """The text of a question: as it stands, or the first of its turns, which may be {"content": ...}."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else None


def _finished(_item: Item, reply: Reply) -> dict[str, float]:
    return {"finished": float(reply.finished)}


OPEN = Benchmark(
    name="open",
    about="open-ended questions without gold answers, as JSON lines: answers are kept, for a judge",
    form=None,
    read=read,
    graders=lambda _language: (Grader("none", ("finished",), _finished), LANGUAGE),
    verdict="finished",
    max_new_tokens=512,
    ending=".jsonl",
    shows=False,
)
