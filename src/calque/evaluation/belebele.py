"""Belebele (Bandarkar et al. 2024): 900 questions with four options on 488 passages of FLORES-200, in 122 languages.

Three forms of JSON lines are read: the official one (`flores_passage`, `question`, `mc_answer1` to `4`,
`correct_answer_num`), a passage with its questions (`text`, `items`), and that of SEA-HELM (`prompts`, `label`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_rows
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.mmlu import letter_graders
from calque.evaluation.multiple_choice import item
from calque.evaluation.wording import Wording
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The questions; a row that holds several is counted as one, and its questions as `ROW.QUESTION`."""
    return once(row for path in files for row in _read(path, language, wording))


def _read(path: Path, language: str, wording: Wording) -> Iterator[Item | Rejected]:
    for row in read_rows(path):
        if isinstance(row, Rejected):
            yield row
            continue
        for part, (passage, question, choices, gold) in enumerate(_questions(row.value), start=1):
            texts = [passage, question, *choices]
            if not all(isinstance(text, str) for text in texts) or not isinstance(gold, int | None):
                detail = "passage, question or an answer is not a string, or the label no number"
                yield Rejected(path.name, row.row, "wrong_type", detail, row.raw[:500])
                continue
            asked = wording.conversation(question, context=passage, choices=tuple(choices))
            yield item(
                path,
                row.row,
                id_=f"{row.row}.{part}",
                language=language,
                conversation=asked,
                question=question if passage.strip() else "",
                choices=choices,
                gold=gold,
                context=passage,
            )


def _questions(value: Any) -> Iterator[tuple[Any, Any, list[Any], Any]]:
    """(passage, question, options, number of the right one) of each question in a row; what is none is yielded as none."""
    value = value if isinstance(value, dict) else {}
    asked = value.get("items")
    if isinstance(asked, list):
        for one in (one if isinstance(one, dict) else {} for one in asked):
            answers = [a if isinstance(a, dict) else {} for a in one.get("answers") or ()]
            right = [i for i, answer in enumerate(answers) if answer.get("correct") is True]
            gold = right[0] if len(right) == 1 else None
            yield value.get("text"), one.get("question"), [a.get("text") for a in answers], gold
        return
    prompts = value.get("prompts")
    if isinstance(prompts, list) and len(prompts) == 1 and isinstance(prompts[0], dict):
        given = prompts[0]
        choices = [given.get(f"choice{n}") for n in range(1, 5)]
        yield given.get("text"), given.get("question"), choices, value.get("label")
        return
    number = str(value.get("correct_answer_num", ""))
    gold = int(number) - 1 if number.isdecimal() else None
    choices = [value.get(f"mc_answer{n}") for n in range(1, 5)]
    yield value.get("flores_passage"), value.get("question"), choices, gold


BELEBELE = Benchmark(
    name="belebele",
    about="Belebele: JSON lines",
    form="reading",
    read=read,
    graders=letter_graders,
    verdict="accuracy_generated",
    max_new_tokens=32,
    ending=".jsonl",
    chooses="letters",
)
