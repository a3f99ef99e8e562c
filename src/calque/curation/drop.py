"""What a filter says of a text: nothing where it is to be kept, else why it is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a text is dropped: a short fixed key to count by, and what was found against what is asked."""

    reason: str
    detail: str


Filter = Callable[[str], Drop | None]


def first_drop(text: str, filters: Iterable[Filter]) -> Drop | None:
    """What the first filter says that does not keep the text; later ones are not asked."""
    return next((drop for keeps in filters if (drop := keeps(text))), None)


def too_high(reason: str, what: str, share: float, most: float) -> Drop | None:
    """Drop where a share is higher than is asked: `what` says of what it is one."""
    return Drop(reason, f"{what}: {share:.2f}, at most {most:.2f}") if share > most else None
