"""MLQA (Lewis et al. 2020): questions on paragraphs of Wikipedia in seven languages, also across languages.

In `context-X-question-Y` the model is asked in Y, and the answer stands in X: it is compared by the rules of X. Files with
contexts in several languages may be given together: then `mlqa/context-X` is the score on those in X, and `mlqa` the mean
over the languages of the contexts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from calque.errors import DataError, Problem
from calque.evaluation import squad_form
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item
from calque.evaluation.normalise import official
from calque.evaluation.wording import Wording
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The questions, by the language of their contexts; where there are several, it stands in the id."""
    by_context: dict[str, list[Path]] = {}
    for path in files:
        by_context.setdefault(_context_language(path, language), []).append(path)
    for context, paths in by_context.items():
        for found in squad_form.read(paths, context, wording):
            if isinstance(found, Item) and len(by_context) > 1:
                yield replace(found, id=f"{context}:{found.id}", group=f"context-{context}")
            else:
                yield replace(found, group="") if isinstance(found, Item) else found


def _context_language(path: Path, language: str) -> str:
    """The language of a file's contexts, as its name says; that of the questions where it says nothing."""
    named = re.search(r"context-([a-z]{2})-question-([a-z]{2})", path.name)
    if named and named[2] != language:
        raise DataError(
            Problem(
                f"by its name this file asks in {named[2]!r}, not in {language!r}",
                str(path),
                remedy=f"give a file …-question-{language}, or rename it",
            )
        )
    return named[1] if named else language


def _graders(language: str) -> tuple[Grader, ...]:
    return (
        squad_form.grader(official(language), language),
        squad_form.grader("calque", language, "_calque"),
    )


MLQA = Benchmark(
    name="mlqa",
    about="MLQA: SQuAD-form JSON, contexts in one language or in several",
    form="qa",
    read=read,
    graders=_graders,
    verdict="exact_match",
    max_new_tokens=64,
    ending=".json",
    per_group=True,
    examples=((r"/test-(context-[^/]*)", r"/dev-\1"),),
    examples_by_group=True,
)
