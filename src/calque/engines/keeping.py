"""Answers of a model in this process that are kept by request, so many at a time, and are the same after a stop.

What is drawn for a prompt depends on a seed and the prompt alone, but rounding depends on the batch and may turn a tie. So
prompts are asked in portions that do not depend on what is kept already, and a portion is kept whole or not at all: a
process that was killed asks the rest in the batches that it would have asked them in. Portions are of like lengths, which
lets more of the short ones run at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

from calque.engines import TOO_LONG, Answering, Completion, Failure, Progress, Sampling
from calque.engines.store import RequestStore
from calque.engines.stored import StoredEngine
from calque.records import Conversation

PORTION = 256  # answers that a stop may cost; of like lengths they are written no slower than more at once


def kept_answers(
    engine: Answering,
    store: RequestStore,
    conversations: Sequence[Conversation],
    *,
    max_new_tokens: int,
    sampling: Sampling | None = None,
    progress: Progress | None = None,
) -> list[Completion]:
    """An answer to each, out of the store where it is there; an empty, unfinished one where the context has no room for it."""
    stored = StoredEngine(engine, store, together=True)
    longest_first = sorted(range(len(conversations)), key=lambda i: (-_characters(conversations[i]), i))
    found: dict[int, Completion] = {}
    for start in range(0, len(conversations), PORTION):
        which = longest_first[start : start + PORTION]
        answers = stored.attempt(
            [conversations[i] for i in which],
            max_new_tokens=max_new_tokens,
            sampling=sampling,
            check=_no_room,
            progress=progress,
        )
        for i, answer in zip(which, answers, strict=True):
            found[i] = Completion("", 0, False) if isinstance(answer, Failure) else answer
    return [found[i] for i in range(len(conversations))]


def _characters(conversation: Conversation) -> int:
    return sum(len(message.text) + len(message.input) for message in conversation)


def _no_room(answer: Completion) -> Failure | None:
    return None if answer.tokens or answer.finished else Failure(TOO_LONG)
