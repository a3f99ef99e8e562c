"""MMLU (Hendrycks et al. 2021) and its translations: CSV files without header, question, A, B, C, D, answer.

A folder with `test/` stands for its test files; `dev/` holds the examples for few-shot prompts. The score is the
mean over all questions, as in the authors' script. `accuracy_choice` takes the letter of highest log-likelihood
(the first at a tie); `accuracy_generated` the letter that is read from the generated answer (`letters`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.files import open_bytes
from calque.errors import DataError, Problem
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply, once
from calque.evaluation.letters import parse
from calque.evaluation.multiple_choice import best
from calque.evaluation.source import is_utf8, stem
from calque.evaluation.wording import LETTERS, Wording
from calque.records import Provenance, Rejected

_HEADER = ["question", "a", "b", "c", "d", "answer"]


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The rows of CSV files; the subject is the file's name without `_test`."""
    return once(
        _item(path.name, row, cells, _subject(path), language, wording)
        for path in files
        for row, cells in _rows(path)
    )


def _subject(path: Path) -> str:
    return stem(path).removesuffix("_test").removesuffix("_dev").removesuffix("_val")


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows by number; bytes that are no UTF-8 stay as halves of characters, so that only their row is lost."""
    with open_bytes(path) as stream:
        text = stream.read().decode("utf-8-sig", "surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    row = 0
    while True:
        begun = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as wrong:
            remedy = "a quotation mark is not closed, or the end of the file is missing"
            raise DataError(Problem(f"is not valid CSV: {wrong}", str(path), begun, remedy)) from wrong
        if cells is None:
            return
        if not cells or (row == 0 and [cell.strip().lower() for cell in cells] == _HEADER):
            continue  # a blank line or a header is no row
        row += 1
        yield row, cells


def _item(
    file: str, row: int, cells: list[str], subject: str, language: str, wording: Wording
) -> Item | Rejected:
    raw = ",".join(cells)[:500]
    if not is_utf8(raw) or not all(is_utf8(cell) for cell in cells):
        return Rejected(file, row, "invalid_utf8", "", raw.encode(errors="backslashreplace").decode()[:500])
    if len(cells) != len(_HEADER):
        return Rejected(file, row, "wrong_columns", f"{len(cells)} columns in place of 6", raw)
    question, *choices, answer = (cell.strip() for cell in cells)
    if not question:
        return Rejected(file, row, "empty_question", "", raw)
    if not answer:
        return Rejected(file, row, "no_gold", "", raw)
    if answer not in LETTERS[:4] or len(answer) != 1:
        return Rejected(file, row, "bad_letter", f"the answer is {answer[:20]!r}, none of A, B, C, D", raw)
    if not all(choices):
        return Rejected(file, row, "empty_option", "", raw)
    return Item(
        id=f"{subject}:{row}",
        language=language,
        group=subject,
        question=question,
        conversation=wording.conversation(question, choices=tuple(choices)),
        golds=(answer,),
        provenance=Provenance(file, row),
        choices=tuple(choices),
    )


def _by_likelihood(item: Item, reply: Reply) -> dict[str, float]:
    return {"accuracy_choice": best(reply.log_likelihoods, item)}


def _by_letter(item: Item, reply: Reply) -> dict[str, float]:
    return {"accuracy_generated": float(parse(reply.text, item.choices, item.language) == item.golds[0])}


def letter_graders(_language: str) -> tuple[Grader, ...]:
    """The letter of highest log-likelihood, and the letter that is written."""
    return (
        Grader("likelihood", ("accuracy_choice",), _by_likelihood, reads_text=False),
        Grader("letter", ("accuracy_generated",), _by_letter),
    )


EXAMPLES = ((r"/test/([^/]*)_test\.csv", r"/dev/\1_dev.csv"), (r"/test/([^/]*\.csv)", r"/dev/\1"))

MMLU = Benchmark(
    name="mmlu",
    about="MMLU: a folder, or CSV files",
    form="mmlu",
    read=read,
    graders=letter_graders,
    verdict="accuracy_generated",
    max_new_tokens=32,
    ending=".csv",
    folders=("test",),
    chooses="letters",
    examples=EXAMPLES,
    examples_by_group=True,
)
