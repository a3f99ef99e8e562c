"""Word problems whose answer is a number: the items of MGSM and MSVAMP, and how an answer is graded."""

from __future__ import annotations

from calque.evaluation.answer_language import LANGUAGE
from calque.evaluation.benchmark import Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.last_number import exact_number, last_number
from calque.evaluation.source import is_utf8
from calque.evaluation.wording import Wording
from calque.records import Provenance, Rejected

MAX_NEW_TOKENS = 512  # room for the steps before the number


def item(
    file: str, row: int, question: str, number: str, language: str, wording: Wording, group: str = ""
) -> Item | Rejected:
    """One problem; `row` is its id, which is the same in every language's file."""
    raw = f"{question}\t{number}"[:500]
    if not is_utf8(question + number):
        return Rejected(file, row, "invalid_utf8", "", ascii(raw))
    if not question.strip():
        return Rejected(file, row, "empty_question", "", raw)
    if not number.strip():
        return Rejected(file, row, "no_gold", "", raw)
    value = exact_number(number)
    if value is None:
        return Rejected(file, row, "bad_number", f"the answer is {number[:20]!r}, which is no number", raw)
    return Item(
        id=str(row),
        language=language,
        group=group,
        question=question.strip(),
        conversation=wording.conversation(question.strip()),
        golds=(f"{value.normalize():f}",),
        provenance=Provenance(file, row),
    )


def _accuracy(item: Item, reply: Reply) -> dict[str, float]:
    found = last_number(reply.text)
    return {"accuracy": float(found is not None and found == exact_number(item.golds[0]))}


def graders(_language: str) -> tuple[Grader, ...]:
    """Whether the last number of the answer is the gold, exactly; and the language that the steps are in."""
    return (Grader("last_number", ("accuracy",), _accuracy), LANGUAGE)
