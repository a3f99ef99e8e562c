"""MGSM (Shi et al. 2022): 250 problems of GSM8K in eleven languages, as TSV without header: question, number.

Asked zero-shot, with room for steps. The last number of the answer counts (`last_number`), exactly; the published
figures took the first number behind "The answer is" after eight worked examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.files import read_lines
from calque.evaluation import arithmetic
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.wording import Wording
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The problems; the id is the line, which is the same in every language."""
    return once(row for path in files for row in _read(path, language, wording))


def _read(path: Path, language: str, wording: Wording) -> Iterator[Item | Rejected]:
    for row, line in enumerate(read_lines(path), start=1):
        if isinstance(line, Rejected):
            yield line
            continue
        cells = line.split("\t")
        if len(cells) != 2:
            yield Rejected(path.name, row, "wrong_columns", f"{len(cells)} columns in place of 2", line[:500])
        else:
            yield arithmetic.item(path.name, row, cells[0], cells[1], language, wording)


MGSM = Benchmark(
    name="mgsm",
    about="MGSM: TSV files",
    form="maths",
    read=read,
    graders=arithmetic.graders,
    verdict="accuracy",
    max_new_tokens=arithmetic.MAX_NEW_TOKENS,
    ending=".tsv",
)
