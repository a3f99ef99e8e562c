"""Questions with options: what an item must have, and how the log-likelihoods of the options' texts are graded.

`accuracy` takes the option of highest log-likelihood, summed over its tokens (lm-evaluation-harness's `acc`);
`accuracy_per_character` that of the highest per character (its `acc_norm`), and `accuracy_per_byte` per byte of UTF-8,
which do not favour short options. At a tie the first counts. Options that are labels (yes, no) are compared by the
sum alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.corpora.files import read_lines
from calque.errors import ModelError, Problem
from calque.evaluation.benchmark import Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.source import is_utf8
from calque.evaluation.wording import LETTERS
from calque.records import Conversation, Provenance, Rejected


def item(
    path: Path,
    row: int,
    *,
    id_: str,
    language: str,
    conversation: Conversation,
    question: str,
    choices: Sequence[str],
    gold: int | None,
    group: str = "",
    context: str = "",
    compared: tuple[str, ...] = (),
) -> Item | Rejected:
    """One question; `gold` counts from 0, and is None where the file says none.

    Reasons to put a row aside: `invalid_utf8`, `empty_question`, `empty_option`, `no_gold`, `bad_label`.
    """
    raw = " | ".join((context, question, *choices))[:500]
    if not is_utf8("".join((id_, context, question, *choices))):
        return Rejected(path.name, row, "invalid_utf8", "", ascii(raw)[:500])
    if not question.strip():
        return Rejected(path.name, row, "empty_question", id_, raw)
    if len(choices) < 2 or not all(choice.strip() for choice in choices):
        return Rejected(path.name, row, "empty_option", id_, raw)
    if gold is None:
        return Rejected(path.name, row, "no_gold", id_, raw)
    if not 0 <= gold < len(choices):
        return Rejected(path.name, row, "bad_label", f"{id_}: option {gold} of {len(choices)}", raw)
    return Item(
        id=id_,
        language=language,
        group=group,
        question=question,
        conversation=conversation,
        golds=(LETTERS[gold],),
        provenance=Provenance(path.name, row),
        choices=tuple(choices),
        context=context,
        compared=compared,
    )


def cells(path: Path) -> Iterator[tuple[int, list[str]] | Rejected]:
    """The rows of a TSV file with their numbers from 1; quotation marks are characters like others, as in these files."""
    for row, line in enumerate(read_lines(path), start=1):
        if isinstance(line, Rejected):
            yield line
        elif line.strip():
            yield row, [cell.strip() for cell in line.split("\t")]


def best(scores: Sequence[float], item_: Item) -> float:
    """1.0 where the right option has the highest score, the first at a tie; without scores an answer is wrong."""
    if any(score != score for score in scores):
        raise ModelError(Problem(f"the model gives no log-likelihood for item {item_.id} (not a number)"))
    return float(bool(scores) and LETTERS[max(range(len(scores)), key=scores.__getitem__)] == item_.golds[0])


def _of_texts(item_: Item, reply: Reply) -> dict[str, float]:
    scores = reply.log_likelihoods
    characters = [s / len(choice) for s, choice in zip(scores, item_.choices, strict=False)]
    size = [s / len(choice.encode()) for s, choice in zip(scores, item_.choices, strict=False)]
    return {
        "accuracy": best(scores, item_),
        "accuracy_per_character": best(characters, item_),
        "accuracy_per_byte": best(size, item_),
    }


def _of_labels(item_: Item, reply: Reply) -> dict[str, float]:
    return {"accuracy": best(reply.log_likelihoods, item_)}


TEXTS = Grader(
    "likelihood", ("accuracy", "accuracy_per_character", "accuracy_per_byte"), _of_texts, reads_text=False
)
LABELS = Grader("likelihood", ("accuracy",), _of_labels, reads_text=False)
