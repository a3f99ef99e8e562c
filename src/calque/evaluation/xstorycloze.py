"""XStoryCloze (Lin et al. 2022): which of two sentences ends a story of four, in 11 languages.

Official TSV with a header: InputStoryid, InputSentence1 to 4, RandomFifthSentenceQuiz1 and 2, AnswerRightEnding (1 or 2).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.errors import DataError, Problem
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.multiple_choice import TEXTS, cells, item
from calque.evaluation.wording import Wording
from calque.languages import language as language_of
from calque.records import Rejected

COLUMNS = (
    "InputStoryid", "InputSentence1", "InputSentence2", "InputSentence3", "InputSentence4",
    "RandomFifthSentenceQuiz1", "RandomFifthSentenceQuiz2", "AnswerRightEnding",
)  # fmt: skip


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The stories."""
    return once(row for path in files for row in _read(path, language, wording))


def _read(path: Path, language: str, wording: Wording) -> Iterator[Item | Rejected]:
    between = "" if language_of(language).words == "characters" and language != "th" else " "
    columns: list[int] = []
    for line in cells(path):
        if isinstance(line, Rejected):
            yield line
            continue
        row, found = line
        if not columns:
            if missing := [name for name in COLUMNS if name not in found]:
                message = f"not of XStoryCloze's form: there is no column {missing[0]}"
                raise DataError(Problem(message, str(path), row, "give the official TSV with its header"))
            columns = [found.index(name) for name in COLUMNS]
            continue
        if len(found) <= max(columns):
            yield Rejected(path.name, row, "wrong_columns", f"{len(found)} columns", "\t".join(found)[:500])
            continue
        story, *sentences, first, second, right = (found[i] for i in columns)
        if right not in ("1", "2", ""):
            yield Rejected(path.name, row, "bad_label", f"{right[:20]!r} is neither 1 nor 2")
            continue
        context = between.join(sentences)
        yield item(
            path,
            row,
            id_=story or str(row),
            language=language,
            conversation=wording.conversation("", context=context),
            question=context if all(sentences) else "",
            choices=(first, second),
            gold=int(right) - 1 if right else None,
        )


XSTORYCLOZE = Benchmark(
    name="xstorycloze",
    about="XStoryCloze: TSV files",
    form="story",
    read=read,
    graders=lambda _language: (TEXTS,),
    verdict="accuracy",
    max_new_tokens=0,
    ending=".tsv",
    chooses="texts",
    writes=False,
    examples=((r"_eval\.tsv", "_train.tsv"),),
)
