"""EXAMS (Hardalov et al. 2020): questions of school exams in 16 languages, asked in the language they were set in.

JSON lines, in a tar archive as published or unpacked, all languages in one: question {stem, choices [{text, label}]},
answerKey, info {language, subject}.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_rows
from calque.errors import DataError, Problem
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.mmlu import letter_graders
from calque.evaluation.multiple_choice import item
from calque.evaluation.wording import Wording
from calque.languages import code_or_name
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The questions in `language`; the others are put aside."""
    return once(
        found if isinstance(found, Rejected) else _item(path, *found, language, wording)
        for path in files
        for found in _rows(path)
    )


def _rows(path: Path) -> Iterator[tuple[int, Any] | Rejected]:
    if ".tar" not in path.suffixes and path.suffix != ".tgz":
        for row in read_rows(path):
            yield row if isinstance(row, Rejected) else (row.row, row.value)
        return
    try:
        with tarfile.open(path) as archive:
            inside = [member for member in archive if member.isfile() and member.name.endswith(".jsonl")]
            streams = [stream for member in inside if (stream := archive.extractfile(member)) is not None]
            lines = [line for stream in streams for line in stream.read().splitlines() if line.strip()]
    except (tarfile.TarError, OSError, EOFError) as broken:
        raise DataError(Problem(f"the archive is damaged ({broken})", str(path))) from broken
    for number, line in enumerate(lines, start=1):
        try:
            yield number, json.loads(line)
        except ValueError as wrong:
            yield Rejected(path.name, number, "not_json", str(wrong), ascii(line)[:500])


def _item(path: Path, row: int, value: Any, language: str, wording: Wording) -> Item | Rejected:
    try:
        question, info = value["question"], value["info"]
        stem, key, named = question["stem"], value["answerKey"], str(info["language"])
        options = [(str(one["label"]), str(one["text"]).strip()) for one in question["choices"]]
    except (KeyError, TypeError):
        return Rejected(path.name, row, "wrong_type", "question, answerKey or info", repr(value)[:500])
    if code_or_name(named.removeprefix("North ")) != language:
        return Rejected(path.name, row, "other_language", named)
    if not isinstance(stem, str):
        return Rejected(path.name, row, "wrong_type", "the question is not a string", repr(value)[:500])
    labels = [label for label, _ in options]
    if key and key not in labels:
        detail = f"the answer is {str(key)[:20]!r}, none of {', '.join(labels)}"
        return Rejected(path.name, row, "bad_letter", detail, repr(value)[:500])
    choices = tuple(text for _, text in options)
    return item(
        path,
        row,
        id_=str(value.get("id", row)),
        language=language,
        conversation=wording.conversation(stem.strip(), choices=choices),
        question=stem.strip(),
        choices=choices,
        gold=labels.index(key) if key else None,
        group=str(info.get("subject", "")),
    )


EXAMS = Benchmark(
    name="exams",
    about="EXAMS: JSON lines, or the archive as published",
    form="mmlu",
    read=read,
    graders=letter_graders,
    verdict="accuracy_generated",
    max_new_tokens=32,
    ending=".jsonl",
    chooses="letters",
    examples=((r"(test|dev)([^/]*\.jsonl)", r"train\2"),),
)
