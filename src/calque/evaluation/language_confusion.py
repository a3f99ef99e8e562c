"""The Language Confusion Benchmark (Marchisio et al. 2024): whether a model keeps to the language it is asked in, or for.

CSV {prompt, language, source}, and of the cross-lingual prompts, which are in English, {location, phrasing} too. Every
source has scores of its own; the headline is the mean over them, as in the official script. Of an answer:

- `line_pass`: all its lines of five words or more are in the language. Answers without such a line, empty ones among them, are
  skipped, as in the official script: they are neither right nor wrong.
- `long_enough`: whether it has such a line. A model that answers little, or nothing, has high pass rates of the few that are left.
- `line_accuracy`: the share of such lines.
- `word_pass`, for languages in other scripts than the Latin, of answers that pass by line: no English word stands in such a
  line (one of the word list web2 with four letters or more, all small).

Where we differ from the script: lines are identified by `calque.identify`, not by fastText's lid.176; Thai, Khmer, Lao
and Burmese lines, which it leaves out because it parts them by spaces, are counted in words like the others, and Chinese and
Japanese ones in budoux's phrases, not by jieba and MeCab (`word_count`); an English word is found without spaces around it
too, and all scripts but the Latin have a word pass rate, not only those of ar, hi, ja, ko, ru and zh.
"""

from __future__ import annotations

import csv
import io
import re
import string
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from calque.corpora.files import read_text
from calque.errors import DataError, Problem
from calque.evaluation.answer_language import FEWEST_WORDS, is_in
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.source import is_utf8
from calque.evaluation.word_count import word_count
from calque.evaluation.wording import Wording
from calque.languages import code_or_name
from calque.languages import language as language_of
from calque.records import Message, Provenance, Rejected

METRICS = ("line_pass", "line_accuracy", "word_pass", "long_enough")
_LATIN_WORD = re.compile(r"(?<![A-Za-z\u00C0-\u024F])[a-z]{4,}(?![A-Za-z\u00C0-\u024F])")
_PUNCTUATION = str.maketrans({**dict.fromkeys(string.punctuation + "،", None), "—": " "})


def read(files: Sequence[Path], language: str, _wording: Wording) -> Iterator[Item | Rejected]:
    """The prompts in, or for, a language. Reasons: `other_language`, `empty_question`, `invalid_utf8`, `wrong_columns`."""
    for number, path in enumerate(files):
        reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
        if not {"prompt", "language", "source"} <= set(reader.fieldnames or ()):
            found = ", ".join(reader.fieldnames or ()) or "nothing"
            problem = f"no file of the Language Confusion Benchmark: its columns are {found}"
            raise DataError(Problem(problem, str(path), 1, "give a file with prompt, language and source"))
        for row, cells in enumerate(reader, start=1):
            yield _item(f"{number}:{row}", path.name, row, cells, language)


def _item(id_: str, file: str, row: int, cells: dict[str, str], language: str) -> Item | Rejected:
    prompt, source = cells.get("prompt"), cells.get("source")
    raw = str(cells)[:500]
    if None in cells or not isinstance(prompt, str) or not isinstance(source, str):
        return Rejected(file, row, "wrong_columns", "a cell is missing, or one too many", raw)
    if not is_utf8(prompt + source):
        return Rejected(file, row, "invalid_utf8", "", ascii(raw))
    if not prompt.strip():
        return Rejected(file, row, "empty_question", "", raw)
    if code_or_name(cells["language"]) != language:
        return Rejected(file, row, "other_language", f"it is for {cells['language']!r}", raw)
    crossed = "phrasing" in cells
    return Item(
        id=id_,
        language=language,
        group=f"{'crosslingual' if crossed else 'monolingual'}-{source}",
        question=prompt,
        conversation=(Message("user", prompt, "en" if crossed else language),),
        golds=(),
        provenance=Provenance(file, row),
    )


def confusion(answer: str, language: str) -> dict[str, float]:
    """`line_pass` and `line_accuracy` of an answer, and `word_pass` where it applies; nothing for want of long lines."""
    text = answer.split("\nQ:", maxsplit=1)[0].strip().translate(_PUNCTUATION)
    lines = [line for line in text.split("\n") if _is_long(line, language)]
    if not lines:
        return {}
    right = [is_in(line, language) for line in lines]
    found = {"line_pass": float(all(right)), "line_accuracy": sum(right) / len(right)}
    if all(right) and language_of(language).script != "Latn":
        words = {word for line in lines for word in _LATIN_WORD.findall(line)}
        found["word_pass"] = float(not words & _english_words())
    return found


def _is_long(line: str, language: str) -> bool:
    """Whether a line has five words, in the language or by spaces: one in another language counts as well."""
    return max(word_count(line, language), len(line.split())) >= FEWEST_WORDS


@cache
def _english_words() -> frozenset[str]:
    from english_words import get_english_words_set

    return frozenset(word for word in get_english_words_set(["web2"]) if word.islower() and len(word) > 3)


def _grade(item: Item, reply: Reply) -> dict[str, float]:
    found = confusion(reply.text, item.language)
    return {**found, "long_enough": float(bool(found))}


LANGUAGE_CONFUSION = Benchmark(
    name="language_confusion",
    about="Language Confusion Benchmark: CSV files",
    form=None,
    read=read,
    graders=lambda _language: (Grader("identify", METRICS, _grade),),
    verdict="line_pass",
    max_new_tokens=512,
    ending=".csv",
    per_group=True,
    shows=False,
)
