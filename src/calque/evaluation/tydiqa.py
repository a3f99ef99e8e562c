"""TyDi QA's gold passage task (Clark et al. 2020): questions that people asked in their own language, in SQuAD's form.

Its official figures are by SQuAD 1.1's rules, in every language; ours stand beside them (`_calque`). The official files
hold all languages in one, and say which in the id (`swahili-123-0`): those of other languages are put aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from calque.evaluation import squad_form
from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item
from calque.evaluation.wording import Wording
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The questions in `language`; an id that is but a number, as in copies, says nothing of the language and may repeat."""
    for found in squad_form.read(files, language, wording, ids_repeat=True):
        named = _named(found.id) if isinstance(found, Item) else None
        if isinstance(found, Item) and named not in (None, language):
            where = found.provenance
            yield Rejected(where.dataset, where.row, "other_language", f"{found.id} is in {named}")
        elif isinstance(found, Item) and named is None:
            yield replace(
                found, id=f"{language}-{found.id}"
            )  # the same number in another language is another question
        else:
            yield found


def _named(id_: str) -> str | None:
    name, dash, _ = id_.partition("-")
    try:
        return language_of(name).code if dash else None
    except UnknownLanguageError:
        return name if name.isalpha() else None


def _graders(language: str) -> tuple[Grader, ...]:
    return (squad_form.grader("squad", language), squad_form.grader("calque", language, "_calque"))


TYDIQA = Benchmark(
    name="tydiqa",
    about="TyDi QA's gold passage task: SQuAD-form JSON",
    form="qa",
    read=read,
    graders=_graders,
    verdict="exact_match",
    max_new_tokens=64,
    ending=".json",
    examples=((r"([.-])dev([^/]*\.json)", r"\1train\2"),),
)
