"""Our scores of spans against the official rules, answer by answer and to the last digit.

    python benchmarks/spans.py DATA [--questions 200]

DATA holds `xquad/`, `mlqa/` and `tydiqa-goldp/`: official files. Every question is put with its first gold answer as it is; in
capitals, quoted, behind an article, with full-width digits; with its first half; with the words of the passage around it;
with the answer to the next question; and with nothing. MLQA's script is the one that lm-evaluation-harness carries
(tasks/mlqa), but for the Arabic article, which the harness takes off the beginnings of words alone, and the script
(github.com/facebookresearch/MLQA, mlqa_evaluation_v1.py) wherever it stands. SQuAD 1.1's rules are those that the harness
carries for LongBench (tasks/longbench): benchmarks/requirements.txt. The golds are read from the files without our
reader. Fails where an exact match or an F1 is another one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

from calque.corpora.json_rows import read_json
from calque.evaluation.asked import items_of
from calque.evaluation.benchmarks import BENCHMARKS
from calque.evaluation.items import Reply

Measure = Callable[[str, list[str], str], float]
# Files, and by whose rules our metrics of an ending are.
FILES = {
    "xquad": ("xquad/xquad.*.json*", {"": "mlqa", "_squad": "squad"}),
    "mlqa": ("mlqa/*context-*.json*", {"": "mlqa"}),
    "tydiqa": ("tydiqa-goldp/*train*", {"": "squad"}),
}
THE_SCRIPT_S_ARABIC_ARTICLE = r"\sال^|ال"
ARTICLES = {"en": "the", "es": "la", "de": "die", "ar": "ال", "vi": "những"}
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
AROUND = 12  # characters of the passage on either side


def official() -> dict[str, dict[str, Measure]]:
    """Exact match and F1 of an answer by the rules of that name: the best over the golds, in a language."""
    from lm_eval.tasks.longbench import metrics as squad
    from lm_eval.tasks.mlqa import utils as mlqa

    def as_the_script(pattern: str, instead: str, text: str) -> str:
        return re.sub(THE_SCRIPT_S_ARABIC_ARTICLE if "ال" in pattern else pattern, instead, text)

    mlqa.re = SimpleNamespace(sub=as_the_script, search=re.search)

    def same(answer: str, gold: str) -> float:
        return float(squad.normalize_answer(answer) == squad.normalize_answer(gold))

    def by_mlqa(measure: Callable[[str, str, str], float]) -> Measure:
        return lambda answer, golds, code: float(
            mlqa.metric_max_over_ground_truths(measure, answer, golds, code)
        )

    def by_squad(measure: Callable[[str, str], float]) -> Measure:
        return lambda answer, golds, _code: max(float(measure(answer, gold)) for gold in golds)

    return {
        "mlqa": {"exact_match": by_mlqa(mlqa.exact_match_score), "f1": by_mlqa(mlqa.f1_score)},
        "squad": {"exact_match": by_squad(same), "f1": by_squad(squad.qa_f1_score)},
    }


def answers(gold: str, context: str, other: str, code: str) -> Iterator[str]:
    """What may be answered."""
    at = context.find(gold)
    yield from (gold, gold.upper(), f"“{gold}”.", f"{ARTICLES.get(code, 'the')} {gold}")
    yield from (gold.translate(FULL_WIDTH), gold[: (len(gold) + 1) // 2], other, "")
    yield context[max(0, at - AROUND) : at + len(gold) + AROUND] if at >= 0 else context[:AROUND]


def golds_of(path: Path) -> list[list[str]]:
    """The golds of a file's questions, in their order."""
    paragraphs = (p for article in read_json(path)["data"] for p in article["paragraphs"])
    return [[answer["text"] for answer in question["answers"]] for p in paragraphs for question in p["qas"]]


def compare(name: str, path: Path, code: str, most: int, rules: dict[str, dict[str, Measure]]) -> int:
    """How many answers were graded by both, to a file's questions. Ends it all where a grade is another one."""
    items, golds = items_of(name, [path], code, limit=most).items, golds_of(path)
    asked = 0
    sums: dict[str, list[float]] = {}
    for i, item in enumerate(items):
        graders = BENCHMARKS[name].graders(item.language)
        other = items[(i + 1) % len(items)].golds[0]
        for answer in answers(item.golds[0], item.context, other, item.language):
            asked += 1
            reply = Reply(answer, finished=True)
            ours = {metric: value for one in graders for metric, value in one.grade(item, reply).items()}
            for ending, whose in FILES[name][1].items():
                for measure, rule in rules[whose].items():
                    metric, theirs = (
                        measure + ending,
                        rule(answer, golds[item.provenance.row - 1], item.language),
                    )
                    sums.setdefault(metric, []).append(theirs)
                    if ours[metric] != theirs:
                        told = (
                            f"{metric} of {answer!r} is {ours[metric]} here and {theirs} by {whose}'s rules"
                        )
                        sys.exit(f"{path.name}: {item.id}: {told}")
    means = ", ".join(f"{metric} {sum(values) / len(values):.4f}" for metric, values in sums.items())
    print(f"{path.name:36} {len(items):5,} questions {asked:7,} answers, all the same: {means}", flush=True)
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--questions", type=int, default=200, help="of each file at most")
    given = parser.parse_args()
    rules, asked = official(), 0
    for name, (pattern, _) in FILES.items():
        found = sorted(given.data.glob(pattern))
        if not found:
            sys.exit(f"{given.data / pattern}: there is no such file")
        for path in found:
            code = (
                path.name.split(".json")[0]
                .removesuffix(".train")
                .rpartition("-" if name == "mlqa" else ".")[2]
            )
            asked += compare(name, path, code, given.questions, rules)
    print(f"{asked:,} answers, and every exact match and F1 the same")


if __name__ == "__main__":
    main()
