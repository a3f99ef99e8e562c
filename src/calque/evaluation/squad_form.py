"""The SQuAD 1.1 form of XQuAD and MLQA: the official JSON to items, and how an extracted answer is graded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import read_json
from calque.errors import DataError, Problem
from calque.evaluation.benchmark import Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.metrics import findable, match
from calque.evaluation.normalise import Normaliser, NormaliserName, normaliser, official
from calque.evaluation.source import is_utf8
from calque.evaluation.wording import Wording
from calque.records import Provenance, Rejected

METRICS = ("exact_match", "f1", "containment")


def read(
    files: Sequence[Path], language: str, wording: Wording, licence: str = "", *, ids_repeat: bool = False
) -> Iterator[Item | Rejected]:
    """The questions of official files whose answers are in `language`. Rows are counted by question, per file.

    A gold that is not in its context leaves the item in, as not answerable; `answer_start` is not used. With
    `ids_repeat` another question of the same id is kept, as `ID#ROW`.
    """
    seen: set[str] = set()
    asked: set[tuple[str, str, str]] = set()
    for path in files:
        data = read_json(path)
        articles = data.get("data") if isinstance(data, dict) else None
        if not isinstance(articles, list):
            raise DataError(
                Problem(
                    'not of the SQuAD form: there is no list "data"',
                    str(path),
                    remedy="give the official file",
                )
            )
        for row, (title, context, question) in enumerate(_questions(articles), start=1):
            try:
                found = _question(context, question)
            except _Unusable as unusable:
                yield Rejected(path.name, row, unusable.reason, unusable.detail, raw=repr(question)[:500])
                continue
            same = (found.id, found.text, found.context)
            if same in asked or (found.id in seen and not ids_repeat):
                yield Rejected(path.name, row, "duplicate_id", found.id)
                continue
            id_ = f"{found.id}#{row}" if found.id in seen else found.id
            seen.add(found.id)
            asked.add(same)
            rules = normaliser(official(language), language)
            yield Item(
                id=id_,
                language=language,
                group=title,
                question=found.text,
                conversation=wording.conversation(found.text, context=found.context),
                golds=found.golds,
                provenance=Provenance(path.name, row, licence),
                context=found.context,
                answerable=findable(found.context, found.golds, rules),
            )


@dataclass(frozen=True, slots=True)
class _Question:
    id: str
    text: str
    context: str
    golds: tuple[str, ...]


class _Unusable(Exception):  # noqa: N818 - not an error: the row is put aside
    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _questions(articles: list[Any]) -> Iterator[tuple[str, Any, Any]]:
    """(title, context, question) of each; what has no questions of the right form is yielded as one that is none."""
    for article in articles:
        paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
        if not isinstance(paragraphs, list):
            yield "", None, article
            continue
        for paragraph in paragraphs:
            questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
            if not isinstance(questions, list):
                yield "", None, paragraph
                continue
            for question in questions:
                yield str(article.get("title", "")), paragraph.get("context"), question


def _question(context: Any, question: Any) -> _Question:
    if not isinstance(question, dict) or not isinstance(question.get("answers"), list | None):
        raise _Unusable("wrong_type", "not a question with a list of answers")
    if not isinstance(context, str):
        raise _Unusable("wrong_type", "the paragraph's context is not a string")
    id_, text = question.get("id"), question.get("question")
    if not isinstance(id_, str | int) or not isinstance(text, str):
        raise _Unusable("wrong_type", "id or question is not a string")
    if not text.strip():
        raise _Unusable("empty_question", str(id_))
    if not is_utf8(context + text):
        raise _Unusable("invalid_utf8", str(id_))
    answers = question.get("answers") or []
    if not all(isinstance(answer, dict) and isinstance(answer.get("text"), str) for answer in answers):
        raise _Unusable("wrong_type", f"{id_}: the text of an answer is not a string")
    golds = tuple(dict.fromkeys(answer["text"] for answer in answers if answer["text"].strip()))
    if not is_utf8("".join(golds) + str(id_)):
        raise _Unusable("invalid_utf8", ascii(id_))
    if not golds:
        raise _Unusable("no_gold", str(id_))
    return _Question(str(id_), text, context, golds)


def grader(rules: NormaliserName, language: str, suffix: str = "") -> Grader:
    """Exact match, F1 and containment under one normaliser, as `exact_match` + suffix and so on."""
    words = normaliser(rules, language)
    return Grader(
        norm=rules,
        metrics=tuple(metric + suffix for metric in METRICS),
        grade=_grade_by(words, suffix),
        answerable=lambda item: findable(item.context, item.golds, words),
    )


def _grade_by(words: Normaliser, suffix: str) -> Callable[[Item, Reply], Mapping[str, float]]:
    def grade(item: Item, reply: Reply) -> dict[str, float]:
        found = match(reply.text, item.golds, words)
        return {metric + suffix: getattr(found, metric) for metric in METRICS}

    return grade
