"""MMLU's files asked without their options: the option whose own text the model holds likeliest counts as the answer.

Models too small or too early in training to name the letter of an option may still know the answer; OLMES (Gu et al.
2024) asks both ways for that reason. `accuracy_cloze` compares the log-likelihoods of whole texts,
`accuracy_cloze_per_character` those divided by the number of characters, which does not favour short options.
"""

from __future__ import annotations

from calque.errors import ModelError, Problem
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.mmlu import EXAMPLES, read
from calque.evaluation.wording import LETTERS


def _grade(item: Item, reply: Reply) -> dict[str, float]:
    scores = reply.log_likelihoods
    if any(score != score for score in scores):
        raise ModelError(Problem(f"the model gives no log-likelihood for item {item.id} (not a number)"))
    per_character = [score / len(choice) for score, choice in zip(scores, item.choices, strict=False)]
    return {
        "accuracy_cloze": _is_best(scores, item),
        "accuracy_cloze_per_character": _is_best(per_character, item),
    }


def _is_best(scores: tuple[float, ...] | list[float], item: Item) -> float:
    """Whether the right option has the highest score (the first at a tie); no scores are a wrong answer."""
    if not scores:
        return 0.0
    return float(LETTERS[max(range(len(scores)), key=lambda i: scores[i])] == item.golds[0])


MMLU_CLOZE = Benchmark(
    name="mmlu_cloze",
    about="MMLU's files asked without options, for models that cannot name letters",
    form="mmlu_cloze",
    read=read,
    graders=lambda _language: (
        Grader("cloze", ("accuracy_cloze", "accuracy_cloze_per_character"), _grade, reads_text=False),
    ),
    verdict="accuracy_cloze",
    max_new_tokens=0,
    ending=".csv",
    folders=("test",),
    chooses="texts",
    writes=False,
    examples=EXAMPLES,
    examples_by_group=True,
)
