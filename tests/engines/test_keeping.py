"""Answers of a model in this process: kept portion by portion, the rest asked after a stop, nothing asked twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from calque.engines import Completion, Sampling, keeping
from calque.engines.keeping import kept_answers
from calque.engines.store import RequestStore
from calque.records import Conversation, Message

TEXTS = ("a", "bbb", "cc", "eeeee", "dddd")  # longest first: e d, b c, a


class Model:
    """Says a text again, in capitals; has no room for one of more than six letters. Remembers what was asked at once."""

    identity = "model"

    def __init__(self, stops_at: str = "") -> None:
        self.stops_at = stops_at
        self.asked: list[list[str]] = []

    def rendered(self, conversation: Conversation) -> str:
        return conversation[-1].text + conversation[-1].input

    def answers(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,  # noqa: ARG002
        sampling: Sampling | None = None,  # noqa: ARG002
    ) -> Iterator[tuple[int, Completion]]:
        texts = [self.rendered(conversation) for conversation in conversations]
        self.asked.append(texts)
        for i in reversed(range(len(texts))):
            if texts[i] == self.stops_at:
                raise KeyboardInterrupt
            fits = len(texts[i]) <= 6
            yield i, Completion(texts[i].upper(), 1, True, 3) if fits else Completion("", 0, False)

    def scores(
        self, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> Iterator[tuple[int, tuple[float, ...]]]:
        raise NotImplementedError

    def requests_for(self, choices: Sequence[str]) -> int:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def portions_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PORTION", 2)


def ask(model: Model, store: RequestStore, *texts: str, seed: int = 0) -> tuple[list[str], int]:
    """The answers, and how many items progress was told of."""
    done: list[int] = []
    conversations = [(Message("user", text[:1], "en", input=text[1:]),) for text in texts]
    answers = kept_answers(
        model, store, conversations, max_new_tokens=9, sampling=Sampling(seed=seed), progress=done.append
    )
    return [answer.text for answer in answers], sum(done)


def test_after_a_stop_half_way_the_rest_is_asked_in_the_batches_it_would_have_had(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests") as store:
        stopped = Model(stops_at="bbb")
        with pytest.raises(KeyboardInterrupt):
            ask(stopped, store, *TEXTS)
        assert stopped.asked == [["eeeee", "dddd"], ["bbb", "cc"]]
        assert len(store) == 2, "cc was answered, but not bbb with it: neither is kept"
    with RequestStore(tmp_path / "requests") as store:
        model = Model()
        assert ask(model, store, *TEXTS) == (["A", "BBB", "CC", "EEEEE", "DDDD"], 5)
        assert model.asked == [["bbb", "cc"], ["a"]]


def test_what_was_answered_is_never_asked_again_in_whatever_company(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests") as store:
        first, again, more, other = Model(), Model(), Model(), Model()
        ask(first, store, *TEXTS)
        assert ask(again, store, *TEXTS) == (["A", "BBB", "CC", "EEEEE", "DDDD"], 5)
        assert again.asked == []
        assert ask(more, store, "ff", "a", "ff", "bbb")[0] == ["FF", "A", "FF", "BBB"]
        assert more.asked == [["ff"]]
        ask(other, store, "a", seed=1)
        assert other.asked == [["a"]], "another draw"


def test_what_the_context_has_no_room_for_is_no_answer_that_is_kept(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests") as store:
        assert ask(Model(), store, "too long for it", "a") == (["", "A"], 2)
        model = Model()
        assert ask(model, store, "too long for it", "a") == (["", "A"], 2)
        assert model.asked == [["too long for it"]]


def test_nothing_asked_is_nothing_answered(tmp_path: Path) -> None:
    with RequestStore(tmp_path / "requests") as store:
        assert ask(Model(), store) == ([], 0)
