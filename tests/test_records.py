from __future__ import annotations

from types import MappingProxyType

import pytest

from calque.records import Demonstration, Message, Provenance, Rejected, from_row, to_row, with_score

CHAT = Demonstration(
    "chat",
    (
        Message("system", "Be brief.", "en"),
        Message("user", "Ciao?", "it", input="testo"),
        Message("assistant", "Hello?", "en", trained=True),
        Message("user", "In italiano.", "it"),
        Message("assistant", "Ciao!", "it", trained=True),
    ),
    Provenance("a.json", 7, "cc0"),
)


def test_languages_are_those_of_prompt_thinking_and_answer() -> None:
    assert CHAT.languages == ("it", "en", "it")
    plain = Demonstration("text", (Message("assistant", "Ciao", "it", trained=True),), CHAT.provenance)
    assert plain.languages == ("it", "it", "it")


def test_a_row_comes_back() -> None:
    scored = with_score(CHAT, "rating", 2.5)
    assert to_row(scored)["scores"] == {"rating": 2.5}
    assert from_row(to_row(scored)) == scored
    assert from_row(to_row(CHAT)) == CHAT
    assert "scores" not in to_row(CHAT)


def test_the_id_is_of_the_content_alone() -> None:
    """Worked out apart: the first 16 digits of `sha256sum` over the JSON text."""
    small = Demonstration("text", (Message("user", "è", "it"),), Provenance("a", 1))
    assert small.id == "6e075e4bc5c01a5f"
    assert (
        Demonstration("text", small.messages, Provenance("b", 2), MappingProxyType({"r": 1.0})).id == small.id
    )
    assert Demonstration("text", (Message("user", "è", "it", trained=True),), small.provenance).id != small.id


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "x"}, "kind 'x' is none of"),
        ({"messages": [{"role": "robot", "text": ""}]}, r"messages\[0\]\.role 'robot'"),
        ({"messages": [{"role": "user", "text": 3}]}, r"messages\[0\]\.text is not a string"),
    ],
)
def test_rows_that_do_not_fit_name_their_field(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_row({**to_row(CHAT), **change})


def test_a_rejected_row_keeps_its_beginning() -> None:
    assert Rejected("f", 3, "too_long", raw="x" * 900).to_row()["raw"] == "x" * 500
