"""The history of a conversation, and how requests are put; the model is a stand-in that writes what it is told."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from calque.chat.talk import Manner, Said, Talk
from calque.engines import Completion, Sampling
from calque.errors import UsageError
from calque.records import Conversation, Message


class Parrot:
    """Writes the given answers, letter by letter; a `^` in one is where Ctrl-C comes. A message takes up 10 tokens."""

    def __init__(self, *answers: str, longest: int = 1000) -> None:
        self.answers = list(answers)
        self.longest = longest
        self.asked: list[Conversation] = []
        self.most: list[int] = []

    def room(self, conversation: Conversation) -> int:
        return self.longest - 10 * len(conversation)

    def write(
        self,
        conversation: Conversation,
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,  # noqa: ARG002 — the protocol's
    ) -> Generator[str, None, Completion]:
        self.asked.append(conversation)
        self.most.append(max_new_tokens)
        answer = self.answers.pop(0)
        for letter in answer:
            if letter == "^":
                raise KeyboardInterrupt
            yield letter
        return Completion(answer, len(answer), True)


def ask(talk: Talk, text: str, **manner: object) -> tuple[Said, list[tuple[str, bool]]]:
    pieces: list[tuple[str, bool]] = []

    def on_piece(piece: str, /, *, english: bool) -> None:
        pieces.append((piece, english))

    return talk.ask(text, Manner("it", **manner), on_piece), pieces  # type: ignore[arg-type]


def user(text: str) -> Message:
    return Message("user", text, "it")


def answer(text: str, language: str = "it") -> Message:
    return Message("assistant", text, language)


def test_what_was_said_is_the_history_of_what_is_said_next() -> None:
    parrot = Parrot("uno", "due", "tre")
    talk = Talk(parrot)
    said, pieces = ask(talk, "1?")
    assert (said, pieces) == (Said("uno"), [("u", False), ("n", False), ("o", False)])
    ask(talk, "2?")
    assert parrot.asked[1] == (user("1?"), answer("uno"), user("2?"))
    assert talk.undo() == "2?"
    assert talk.history == (user("1?"), answer("uno"))
    talk.reset()
    assert (talk.history, talk.undo()) == ((), "")
    ask(talk, "3?")
    assert parrot.asked[2] == (user("3?"),)


def test_english_first_in_a_turn_of_its_own() -> None:
    parrot = Parrot("one", "uno")
    talk = Talk(parrot)
    said, pieces = ask(talk, "1?", way="chat", max_tokens=7, english_tokens=5)
    first = user("1?\nPensaci prima in inglese: riformula la richiesta in inglese e rispondi in inglese.")
    assert parrot.asked == [(first,), (first, answer("one", "en"), user("Ora rispondi in italiano."))]
    assert parrot.most == [5, 7]
    assert said == Said("uno", "one")
    assert [english for _, english in pieces] == [True] * 3 + [False] * 3
    assert talk.undo() == "1?"
    assert talk.history == ()


def test_the_words_are_those_of_the_training() -> None:
    parrot = Parrot("one", "uno")
    ask(Talk(parrot), "1?", way="chat", words="en", english_asked_for=False)
    assert parrot.asked[1] == (
        user("1?"),
        answer("one", "en"),
        Message("user", "Now give this answer in Italian.", "en"),
    )


def test_both_in_one_answer() -> None:
    parrot = Parrot("[English]\none\n\n[Italian]\nuno")
    talk = Talk(parrot)
    said, _ = ask(talk, "1?", way="pivot", max_tokens=7, english_tokens=5)
    assert (said.text, said.english) == ("uno", "[English]\none\n\n[Italian]\nuno")
    assert parrot.asked[0] == (user("1?\nRispondi prima in inglese e poi in italiano."),)
    assert parrot.most == [12]
    assert talk.history[-1].text == said.english


def test_a_stopped_answer_stands_as_far_as_it_came() -> None:
    talk = Talk(Parrot("un^o", "on^e"))
    said, _ = ask(talk, "1?")
    assert said == Said("un", finished=False, stopped=True)
    assert talk.history == (user("1?"), answer("un"))
    said, _ = ask(talk, "2?", way="chat")
    assert (said.text, said.english, said.stopped) == ("", "on", True)
    assert len(talk.history) == 4


def test_the_oldest_is_forgotten_where_the_context_is_full() -> None:
    parrot = Parrot("a", "b", "c", "d", longest=60)
    talk = Talk(parrot)
    assert ask(talk, "1?", max_tokens=20)[0].forgotten == 0
    assert ask(talk, "2?", max_tokens=20)[0].forgotten == 0
    said, _ = ask(talk, "3?", max_tokens=20)
    assert said.forgotten == 2
    assert parrot.asked[2] == (user("2?"), answer("b"), user("3?"))
    said, _ = ask(talk, "4?", max_tokens=500)  # as much as there is room for, behind nothing else
    assert (said.forgotten, parrot.asked[3], parrot.most[3]) == (4, (user("4?"),), 50)
    with pytest.raises(UsageError, match="longer than what the model reads"):
        ask(Talk(Parrot(longest=10)), "5?")
