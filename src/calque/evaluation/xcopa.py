"""XCOPA (Ponti et al. 2020) and COPA: which of two sentences is the cause or the effect of a third, in 11 languages.

Official JSON lines: premise, choice1, choice2, question (`cause` or `effect`), label, idx.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.json_rows import JsonRow, read_rows
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.multiple_choice import TEXTS, item
from calque.evaluation.source import stem
from calque.evaluation.wording import Wording
from calque.records import Rejected

FIELDS = ("premise", "choice1", "choice2")


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The rows of JSON lines."""
    return once(
        row if isinstance(row, Rejected) else _item(path, row, language, wording)
        for path in files
        for row in read_rows(path)
    )


def _item(path: Path, row: JsonRow, language: str, wording: Wording) -> Item | Rejected:
    value = row.value if isinstance(row.value, dict) else {}
    texts = [value.get(name) for name in FIELDS]
    asks, label = value.get("question"), value.get("label")
    if not all(isinstance(text, str) for text in texts) or asks not in ("cause", "effect"):
        detail = f"{', '.join(FIELDS)} or question (cause, effect) is missing"
        return Rejected(path.name, row.row, "wrong_type", detail, row.raw[:500])
    if not isinstance(label, int | None):
        return Rejected(path.name, row.row, "bad_label", f"{label!r}", row.raw[:500])
    premise, *choices = (str(text).strip() for text in texts)
    question = wording.words(asks)[0]
    return item(
        path,
        row.row,
        id_=f"{stem(path)}:{value.get('idx', row.row)}",
        language=language,
        conversation=wording.conversation(question, context=premise),
        question=question if premise else "",
        choices=choices,
        gold=label,
        group=str(asks),
        context=premise,
    )


XCOPA = Benchmark(
    name="xcopa",
    about="XCOPA, or COPA: JSON lines",
    form="copa",
    read=read,
    graders=lambda _language: (TEXTS,),
    verdict="accuracy",
    max_new_tokens=0,
    ending=".jsonl",
    chooses="texts",
    writes=False,
    examples=((r"/test\.(\w+)\.jsonl", r"/val.\1.jsonl"), (r"/test-(\w+)\.jsonl", r"/train-\1.jsonl")),
)
