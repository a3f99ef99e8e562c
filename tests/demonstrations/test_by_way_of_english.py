"""Chat and pivot demonstrations to the letter, what of them is trained, and how an answer in two languages is read."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.demonstrations.chat import chat_demonstrations
from calque.demonstrations.parallel import instruction_demonstrations
from calque.demonstrations.pivot import answer_in, pivot_answer, pivot_demonstrations
from calque.errors import DataError
from calque.languages import LANGUAGES
from calque.prompts.turns import english_turn, turn_languages, turns
from calque.records import Demonstration, InstructionPair, Message, Provenance

PAIR = InstructionPair(
    (Message("user", "Where is it?", "en", input="A map"), Message("assistant", "Here.", "en")),
    (Message("user", "Dov'è?", "it", input="Una mappa"), Message("assistant", "Qui.", "it")),
    "it",
    Provenance("pairs.json", 3, "CC"),
)
TWO = replace(
    PAIR,
    english=(*PAIR.english, Message("user", "And {who}?", "en"), Message("assistant", "I.", "en")),
    target=(*PAIR.target, Message("user", "E {chi}?", "it"), Message("assistant", "Io.", "it")),
)


def told(demonstration: Demonstration) -> list[tuple[Any, ...]]:
    return [(m.role, m.language, m.text, m.input, m.trained) for m in demonstration.messages]


def test_a_chat_of_two_turns() -> None:
    (made,) = chat_demonstrations([PAIR], seed=0)
    first, english, second, answer = told(made)
    asked = turns("it", "it")
    assert first == ("user", "it", f"Dov'è?\n{asked.first}", "Una mappa", False)
    assert english == ("assistant", "en", "Request: Where is it?\n\nA map\n\nAnswer: Here.", "", True)
    assert second[:2] == ("user", "it")
    assert second[2] in asked.second
    assert answer == ("assistant", "it", "Qui.", "", True)
    assert (made.kind, made.languages, made.provenance) == ("chat", ("it", "en", "it"), PAIR.provenance)


def test_what_is_trained_and_what_is_asked_for() -> None:
    (made,) = chat_demonstrations([PAIR], trained="last", english_asked_for=False, seed=0)
    assert [m.trained for m in made.messages] == [False, False, False, True]
    assert made.messages[0].text == "Dov'è?"
    assert made.languages == ("it", "it", "it")
    (made,) = chat_demonstrations([PAIR], prompt_language="english", seed=0)
    assert made.messages[0].text == f"Dov'è?\n{turns('en', 'it').first}"
    assert (made.messages[2].language, "Italian" in made.messages[2].text) == ("en", True)


def test_a_conversation_of_several_requests() -> None:
    (made,) = chat_demonstrations([TWO], seed=0)
    assert [m.role for m in made.messages] == ["user", "assistant"] * 4
    assert made.messages[5].text == "Request: And {who}?\n\nAnswer: I."
    assert [m.text for m in made.messages[3::4]] == ["Qui.", "Io."]
    (plain,) = pivot_demonstrations([TWO])
    assert [m.text for m in plain.messages[1::2]] == [
        "[English]\nHere.\n\n[Italian]\nQui.",
        "[English]\nI.\n\n[Italian]\nIo.",
    ]


def test_wordings_are_dealt_alike_and_by_seed() -> None:
    made = [list(chat_demonstrations([PAIR] * 30, seed=seed)) for seed in (0, 0, 1)]
    asked = [[d.messages[2].text for d in run] for run in made]
    assert set(Counter(asked[0]).values()) == {10}
    assert asked[0] == asked[1] != asked[2]


def test_a_pivot_of_one_turn() -> None:
    (made,) = pivot_demonstrations([PAIR])
    request, both = told(made)
    assert request == ("user", "it", f"Dov'è?\n{turns('it', 'it').pivot}", "Una mappa", False)
    assert both == ("assistant", "it", "[English]\nHere.\n\n[Italian]\nQui.", "", True)
    assert made.kind == "pivot"


def test_answers_are_read() -> None:
    assert answer_in("it", pivot_answer("Here.", "Qui.\n\nDavvero.", "it")) == "Qui.\n\nDavvero."
    assert answer_in("it", "[English]\nHere is") == "", "it never came to Italian"
    assert answer_in("it", "[English]\nHere.\n\n[Italian]\n") == ""
    assert answer_in("it", " Qui. ") == "Qui.", "no marker at all"
    assert answer_in("it", "See [Italian] and [English]") == "See [Italian] and [English]", (
        "markers stand alone"
    )
    assert answer_in("it", "[English]\na\n[Italian]\nb\n[Italian]\nc") == "b\n[Italian]\nc"
    assert answer_in("zh", "[English]\nHere.\n[Chinese]\n这里。") == "这里。"


@given(st.text(), st.text())
def test_what_a_pivot_says_is_read_back(english: str, target: str) -> None:
    if "[" not in english:
        assert answer_in("it", pivot_answer(english, target, "it")) == target.strip()


def test_one_language_of_the_pair() -> None:
    (english,) = instruction_demonstrations([TWO], "en")
    (target,) = instruction_demonstrations([TWO], "it")
    assert told(english)[0] == ("user", "en", "Where is it?", "A map", False)
    assert [m.trained for m in target.messages] == [False, True, False, True]
    assert (target.kind, target.languages) == ("instruction", ("it", "it", "it"))


@pytest.mark.parametrize("code", turn_languages())
def test_every_language_has_all_wordings(code: str) -> None:
    asked = turns(code, "it" if code == "en" else code)
    assert code in LANGUAGES
    assert len(set(asked.second)) == len(asked.second) >= 3
    assert all(
        text.strip() == text and text and "{" not in text
        for text in (asked.first, *asked.second, asked.pivot)
    )


def test_a_language_without_wording() -> None:
    with pytest.raises(DataError, match="is not known in Polish") as caught:
        turns("pl", "pl")
    assert "prompt_language to english" in caught.value.problems[0].remedy
    assert "Polish" in turns("en", "pl").second[0]
    assert english_turn(Message("user", "a {b}", "en"), "c") == "Request: a {b}\n\nAnswer: c"
