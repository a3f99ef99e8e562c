"""MLQA (Lewis et al. 2020): questions on paragraphs of Wikipedia in seven languages, also across languages.

In `context-X-question-Y` the model is asked in Y, and the answer stands in X: it is compared by the rules of X.
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
    )


def _answer_language(files: Sequence[Path], language: str) -> str:
    """The language of the contexts, as the file names say; the language itself where they say nothing."""
    contexts = {}
    for path in files:
        named = re.search(r"context-([a-z]{2})-question-([a-z]{2})", path.name)
        if named and named[2] != language:
            raise DataError(
                Problem(
                    f"by its name this file asks in {named[2]!r}, not in {language!r}",
                    str(path),
                    remedy=f"give a file …-question-{language}, or rename it",
                )
            )
        contexts[named[1] if named else language] = path
    if len(contexts) > 1:
        raise DataError(
            Problem(
                f"the contexts are in several languages: {', '.join(sorted(contexts))}",
                remedy="evaluate each language of the contexts by itself",
            )
        )
    return next(iter(contexts), language)


MLQA = Benchmark(
    name="mlqa",
    about="MLQA: SQuAD-form JSON",
    form="qa",
    read=squad_form.read,
    graders=_graders,
    verdict="exact_match",
    max_new_tokens=64,
    ending=".json",
    answer_language=_answer_language,
)
