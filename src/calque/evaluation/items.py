"""What is asked and what came back: items, replies, and the set of items that a benchmark's files hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from calque.records import Conversation, Provenance, Rejected


@dataclass(frozen=True, slots=True)
class Item:
    """One question. `language` is that of the golds, by whose rules answers are compared.

    `choices` are the texts of the options, lettered from A; `compared` are the texts whose log-likelihoods are asked for
    where these are not the options themselves; `context` is the text that must hold the answer;
    `answerable` is false where no gold stands in it.
    """

    id: str
    language: str
    group: str
    question: str
    conversation: Conversation
    golds: tuple[str, ...]
    provenance: Provenance
    choices: tuple[str, ...] = ()
    context: str = ""
    answerable: bool = True
    compared: tuple[str, ...] = ()

    @property
    def content(self) -> tuple[object, ...]:
        """What is the same of two items that ask the same, word for word and with the same options."""
        return (self.question, self.context, self.choices)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered; `log_likelihoods` of the choices' letters where they were asked for.

    `fits` is false where the prompt left no room for an answer in the model's context. `tokens` counts all that was
    generated for it; `before` is what was written on the way to the answer: the English turn, or both answers in one.
    """

    text: str
    finished: bool
    log_likelihoods: tuple[float, ...] = ()
    fits: bool = True
    tokens: int = 0
    before: str = ""


@dataclass(frozen=True, slots=True)
class ItemSet:
    """The items to be asked, the rows that were put aside, and notes on items that are asked all the same.

    `total` is the number of sound items before the limit, without those that are shown as examples; `data` is 8 hex digits of
    the files' sha256; `shots` tells of the examples that stand before each item, as in the signature.
    """

    items: tuple[Item, ...]
    dropped: tuple[Rejected, ...]
    notes: tuple[Rejected, ...]
    total: int
    data: str
    shots: tuple[str, ...] = ("shots:0",)

    def counts(self) -> dict[str, object]:
        """`{rows, kept, dropped: {reason: n}, notes: {reason: n}}`; rows = kept + dropped."""
        return {
            "rows": len(self.items) + len(self.dropped),
            "kept": len(self.items),
            "dropped": self.reasons(),
            "notes": dict(sorted(Counter(row.reason for row in self.notes).items())),
        }

    def reasons(self) -> dict[str, int]:
        """How many rows were put aside for each reason."""
        return dict(sorted(Counter(row.reason for row in self.dropped).items()))


def once(rows: Iterable[Item | Rejected]) -> Iterator[Item | Rejected]:
    """The rows, but that of two items with one id the second is put aside."""
    seen: set[str] = set()
    for row in rows:
        if isinstance(row, Item) and row.id in seen:
            yield Rejected(row.provenance.dataset, row.provenance.row, "duplicate_id", row.id)
            continue
        if isinstance(row, Item):
            seen.add(row.id)
        yield row
