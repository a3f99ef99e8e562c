"""A conversation with one model: its history, and how what the user says is put to it, as `evaluation.asking` does.

Directly; in two turns, English first; or for both in one answer. The history holds what the model was shown, as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, Protocol

from calque.demonstrations.pivot import answer_in
from calque.engines import Completion, Sampling
from calque.errors import Problem, UsageError
from calque.prompts.turns import turns
from calque.records import Conversation, Message

Way = Literal["direct", "chat", "pivot"]
WAYS: tuple[Way, ...] = ("direct", "chat", "pivot")


class OnPiece(Protocol):
    """Is given every piece of an answer as it is written."""

    def __call__(self, piece: str, /, *, english: bool) -> None:
        """Show a piece; `english` is what stands on the way to the answer."""


class Writes(Protocol):
    """What writes answers; see `engines.streaming.Writer`."""

    def room(self, conversation: Conversation) -> int:
        """Tokens that are left for an answer."""

    def write(
        self, conversation: Conversation, *, max_new_tokens: int, sampling: Sampling | None = None
    ) -> Generator[str, None, Completion]:
        """The answer in pieces."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How answers are asked for: `language` is that of the user and of the answers, `words` that of our own words for English first."""

    language: str
    way: Way = "direct"
    max_tokens: int = 512
    english_tokens: int = 256
    sampling: Sampling | None = None
    words: str = ""
    english_asked_for: bool = True


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: the part in the language, what was written on the way to it, whether it came to its end.

    `forgotten` counts messages that had to leave the history so that the rest fits the model's context.
    """

    text: str
    english: str = ""
    finished: bool = True
    stopped: bool = False
    forgotten: int = 0


class Talk:
    """What has been said so far, request by request: all messages that one led to, English turns among them."""

    def __init__(self, writer: Writes) -> None:
        self.writer = writer
        self._said: list[tuple[str, Conversation]] = []

    @property
    def history(self) -> Conversation:
        """All messages, as the model is shown them."""
        return _joined(messages for _, messages in self._said)

    def reset(self) -> None:
        """Forget all that was said."""
        self._said = []

    def undo(self) -> str:
        """Take the last request and its answer back; returns the request, empty where there is none."""
        return self._said.pop()[0] if self._said else ""

    def ask(self, text: str, manner: Manner, on_piece: OnPiece) -> Said:
        """Put a request and take the answer into the history, an answer that is stopped (Ctrl-C) as far as it came.

        Raises `UsageError` where the request alone does not fit the model's context.
        """
        request = Message("user", text, manner.language)
        forgotten = self._make_room(request, manner)
        messages, said = self._exchange(request, manner, on_piece)
        self._said.append((text, messages))
        return replace(said, forgotten=forgotten)

    def _exchange(self, request: Message, manner: Manner, on_piece: OnPiece) -> tuple[Conversation, Said]:
        """All messages that a request leads to, and the answer."""
        messages: Conversation = ()
        english = ""
        wording = turns(manner.words or manner.language, manner.language) if manner.way != "direct" else None
        if wording is not None and manner.way == "chat":
            first = wording.english_first(request) if manner.english_asked_for else request
            done = self._write((first,), manner.english_tokens, manner, partial(on_piece, english=True))
            english = done.text
            messages = (first, Message("assistant", english, "en"))
            if done.stopped:
                return messages, Said("", english, False, True)
            request = wording.now_in_target()
        elif wording is not None:
            request = wording.in_both(request)
        messages = (*messages, request)
        room = manner.max_tokens + (manner.english_tokens if manner.way == "pivot" else 0)
        done = self._write(messages, room, manner, partial(on_piece, english=False))
        text = done.text
        if manner.way == "pivot":
            text, english = answer_in(manner.language, done.text), done.text
        messages = (*messages, Message("assistant", done.text, manner.language))
        return messages, Said(text, english, done.finished, done.stopped)

    def _make_room(self, request: Message, manner: Manner) -> int:
        """Forget the oldest exchanges, if there would be no room for an answer; returns how many messages these were."""
        wanted = manner.max_tokens + (manner.english_tokens if manner.way != "direct" else 0)
        forgotten = 0
        while self._said and self.writer.room((*self.history, request)) < wanted:
            forgotten += len(self._said.pop(0)[1])
        if self.writer.room((*self.history, request)) <= 0:
            raise UsageError(
                Problem("this is longer than what the model reads at once", remedy="say it shorter")
            )
        return forgotten

    def _write(
        self, messages: Conversation, most: int, manner: Manner, on_piece: Callable[[str], None]
    ) -> _Done:
        """What was written behind the history and `messages`: all of it, or what there was when it was stopped."""
        conversation = (*self.history, *messages)
        most = min(most, self.writer.room(conversation))
        pieces: list[str] = []
        writing = self.writer.write(conversation, max_new_tokens=max(1, most), sampling=manner.sampling)
        try:
            while True:
                pieces.append(next(writing))
                on_piece(pieces[-1])
        except StopIteration as ended:
            done: Completion = ended.value
            return _Done(done.text, done.finished, False)
        except KeyboardInterrupt:
            return _Done("".join(pieces), False, True)


@dataclass(frozen=True, slots=True)
class _Done:
    text: str
    finished: bool
    stopped: bool


def _joined(exchanges: Iterable[Conversation]) -> Conversation:
    return tuple(message for messages in exchanges for message in messages)
