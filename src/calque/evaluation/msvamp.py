"""MSVAMP (Chen et al. 2023, MathOctopus): 1,000 simple word problems in ten languages.

JSON lines {"m_query" the question, "query" the English one, "response" the number, "equation"}. Asked and graded as MGSM.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.json_rows import JsonRow, read_rows
from calque.evaluation import arithmetic
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.wording import Wording
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The problems; the id is the row, which is the same in every language."""
    return once(
        row if isinstance(row, Rejected) else _item(path.name, row, language, wording)
        for path in files
        for row in read_rows(path)
    )


def _item(file: str, row: JsonRow, language: str, wording: Wording) -> Item | Rejected:
    value = row.value if isinstance(row.value, dict) else {}
    question, number = value.get("m_query"), value.get("response")
    if not isinstance(question, str) or not isinstance(number, str | int | float):
        detail = "m_query or response is missing or of another type"
        return Rejected(file, row.row, "wrong_type", detail, row.raw[:500])
    return arithmetic.item(file, row.row, question, str(number), language, wording)


MSVAMP = Benchmark(
    name="msvamp",
    about="MSVAMP: JSON lines",
    form="maths",
    read=read,
    graders=arithmetic.graders,
    verdict="accuracy",
    max_new_tokens=arithmetic.MAX_NEW_TOKENS,
    ending=".jsonl",
)
