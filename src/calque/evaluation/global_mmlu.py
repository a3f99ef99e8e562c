"""Global-MMLU and Global-MMLU-Lite (Singh et al. 2024): MMLU's questions, translated and checked by people.

JSON lines in two forms: the official fields (`sample_id`, `subject`, `question`, `option_a` to `option_d`, `answer`), and
SEA-HELM's (`metadata`, `prompts`, `label`). `global_mmlu/CS` and `/CA` are the questions that need knowledge of a culture
and those that do not, where the file says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import JsonRow, read_rows
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.mmlu import letter_graders
from calque.evaluation.multiple_choice import item
from calque.evaluation.wording import LETTERS, Wording
from calque.records import Rejected

OPTIONS = ("option_a", "option_b", "option_c", "option_d")


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The questions; the id is `sample_id`."""
    return once(
        row if isinstance(row, Rejected) else _item(path, row, language, wording)
        for path in files
        for row in read_rows(path)
    )


def _item(path: Path, row: JsonRow, language: str, wording: Wording) -> Item | Rejected:
    fields = _fields(row.value)
    texts = [fields.get(name) for name in ("question", *OPTIONS)]
    label = fields.get("answer", fields.get("label"))
    if not all(isinstance(text, str) for text in texts):
        return Rejected(path.name, row.row, "wrong_type", "the question or an option", row.raw[:500])
    if label is not None and (not isinstance(label, str) or label not in tuple(LETTERS[:4])):
        detail = f"the answer is {str(label)[:20]!r}, none of A, B, C, D"
        return Rejected(path.name, row.row, "bad_letter", detail, row.raw[:500])
    question, *choices = (str(text).strip() for text in texts)
    return item(
        path,
        row.row,
        id_=str(fields.get("sample_id", row.row)),
        language=language,
        conversation=wording.conversation(question, choices=tuple(choices)),
        question=question,
        choices=choices,
        gold=LETTERS.index(label) if label is not None else None,
        group=str(fields.get("cultural_sensitivity_label") or "").strip("-"),
    )


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a row, those of its prompt and metadata among them."""
    value = value if isinstance(value, dict) else {}
    prompts, metadata = value.get("prompts"), value.get("metadata")
    asked = prompts[0] if isinstance(prompts, list) and prompts and isinstance(prompts[0], dict) else {}
    return {**(metadata if isinstance(metadata, dict) else {}), **value, **asked}


GLOBAL_MMLU = Benchmark(
    name="global_mmlu",
    about="Global-MMLU or Global-MMLU-Lite: JSON lines",
    form="mmlu",
    read=read,
    graders=letter_graders,
    verdict="accuracy_generated",
    max_new_tokens=32,
    ending=".jsonl",
    chooses="letters",
    per_group=True,
    weighs_groups=False,
    examples=((r"_test\.jsonl", "_dev.jsonl"), (r"/test([^/]*\.jsonl)", r"/dev\1")),
)
