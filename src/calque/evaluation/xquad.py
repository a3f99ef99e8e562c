"""XQuAD (Artetxe et al. 2020): 240 paragraphs and 1,190 questions of SQuAD 1.1's dev set, in 11 languages and more.

Scored by MLQA's rules where they exist, by SQuAD 1.1's as in the published figures, and by ours. The test set is
part of SQuAD 1.1 dev: a model that was trained on that has seen the answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from calque.errors import DataError, Problem
from calque.evaluation import squad_form
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.normalise import official


def _graders(language: str) -> tuple[Grader, ...]:
    return (
        squad_form.grader(official(language), language),
        squad_form.grader("calque", language, "_calque"),
        squad_form.grader("squad", language, "_squad"),
    )


def _answer_language(files: Sequence[Path], language: str) -> str:
    """The language itself; an official file name that says another is refused."""
    for path in files:
        named = re.match(r"xquad\.([a-z]{2})\.json", path.name)
        if named and named[1] != language:
            raise DataError(
                Problem(
                    f"by its name this file is in {named[1]!r}, not in {language!r}",
                    str(path),
                    remedy="give the file of the language, or rename it",
                )
            )
    return language


XQUAD = Benchmark(
    name="xquad",
    about="XQuAD, or any SQuAD-form JSON",
    form="qa",
    read=squad_form.read,
    graders=_graders,
    verdict="exact_match",
    max_new_tokens=64,
    ending=".json",
    answer_language=_answer_language,
)
