"""XNLI (Conneau et al. 2018): whether a sentence follows from another, contradicts it, or neither, in 15 languages.

The options are the words for yes, maybe and no of the prompt's language. Three forms of the official files are read:
XNLI-1.0's TSV with a header and all languages in one (`language`, `gold_label`, `sentence1`, `sentence2`); TSV without
header, premise, hypothesis, label; and without labels, as XTREME gives the test set: these are then read from
`test-labels.txt` beside it, a label a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.files import read_lines
from calque.errors import DataError, Problem
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.multiple_choice import LABELS, cells, item
from calque.evaluation.source import stem
from calque.evaluation.wording import Wording
from calque.records import Rejected

RELATIONS = ("entailment", "neutral", "contradiction")
LABEL_FILE = "test-labels.txt"


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The pairs; of a file with all languages those in `language`, the others being put aside."""
    return once(row for path in files for row in _read(path, language, wording))


def _read(path: Path, language: str, wording: Wording) -> Iterator[Item | Rejected]:
    columns: dict[str, int] = {}
    labels: list[str] | None = None
    pair = 0
    for line in cells(path):
        if isinstance(line, Rejected):
            yield line
            continue
        row, found = line
        if row == 1 and "gold_label" in found:
            columns = {name: i for i, name in enumerate(found)}
            continue
        if columns:
            if len(found) < len(columns):
                yield Rejected(
                    path.name, row, "wrong_columns", f"{len(found)} columns", "\t".join(found)[:500]
                )
                continue
            given = [found[columns[name]] for name in ("sentence1", "sentence2", "gold_label", "language")]
            if given.pop() != language:
                yield Rejected(path.name, row, "other_language", found[columns["language"]])
                continue
        elif len(found) == 2:
            labels = _labels(path) if labels is None else labels
            given = [*found, labels[row - 1] if row <= len(labels) else ""]
        elif len(found) == 3:
            given = found
        else:
            yield Rejected(path.name, row, "wrong_columns", f"{len(found)} columns", "\t".join(found)[:500])
            continue
        pair += 1
        yield _item(path, row, pair, given, language, wording)


def _item(
    path: Path, row: int, pair: int, given: list[str], language: str, wording: Wording
) -> Item | Rejected:
    premise, hypothesis, label = given
    if label and label not in RELATIONS:
        return Rejected(path.name, row, "bad_label", f"{label[:20]!r} is none of {', '.join(RELATIONS)}")
    return item(
        path,
        row,
        id_=f"{stem(path)}:{pair}",
        language=language,
        conversation=wording.conversation(hypothesis, context=premise),
        question=hypothesis,
        choices=wording.words("labels"),
        gold=RELATIONS.index(label) if label else None,
        context=premise,
    )


def _labels(path: Path) -> list[str]:
    """The labels of a test file that has none itself."""
    file = path.parent / LABEL_FILE
    if not file.is_file():
        remedy = f"put {LABEL_FILE} beside it, a label a line, or give the labelled file of XNLI-1.0"
        raise DataError(Problem("its rows have no labels", str(path), remedy=remedy))
    return [line.strip() for line in read_lines(file) if isinstance(line, str)]


XNLI = Benchmark(
    name="xnli",
    about="XNLI: TSV files, of one language or of all",
    form="nli",
    read=read,
    graders=lambda _language: (LABELS,),
    verdict="accuracy",
    max_new_tokens=0,
    ending=".tsv",
    chooses="texts",
    writes=False,
    beside=lambda path: tuple(filter(Path.is_file, (path.parent / LABEL_FILE,))),
    examples=((r"/test-(\w+)\.tsv", r"/dev-\1.tsv"), (r"/xnli\.test\.tsv", "/xnli.dev.tsv")),
)
