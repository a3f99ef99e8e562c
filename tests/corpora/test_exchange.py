"""Demonstrations to the forms of other tools and back: the same rows, or a reason why not."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.corpora.alpaca import read_alpaca
from calque.corpora.exchange import read_conversations, to_form
from calque.corpora.writing import write_jsonl, write_text
from calque.records import Demonstration, Message, Provenance, Rejected

FROM = Provenance("a.json", 7, "CC-BY-4.0")
ASKED = Message("user", "Wo ist er?", "de", "Er ist im Wald.")
TOLD = Message("assistant", "im Wald", "de", trained=True)
ROW = Demonstration("instruction", (ASKED, TOLD), FROM)


def test_literal_rows() -> None:
    about = {
        "id": ROW.id, "kind": "instruction", "language": "de", "dataset": "a.json", "row": 7, "licence": "CC-BY-4.0",
    }  # fmt: skip
    content = "Wo ist er?\n\nEr ist im Wald."
    assert to_form(ROW, "messages") == {
        "messages": [
            {"role": "user", "content": content, "language": "de", "input": "Er ist im Wald."},
            {"role": "assistant", "content": "im Wald", "language": "de"},
        ],
        **about,
    }
    assert to_form(ROW, "sharegpt") == {
        "conversations": [
            {"from": "human", "value": content, "language": "de", "input": "Er ist im Wald."},
            {"from": "gpt", "value": "im Wald", "language": "de"},
        ],
        **about,
    }
    assert to_form(ROW, "alpaca") == {
        "instruction": "Wo ist er?", "input": "Er ist im Wald.", "output": "im Wald", **about,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ((ASKED, TOLD, ASKED, TOLD), "several_turns"),
        ((Message("system", "Be brief.", "en"), ASKED, TOLD), "system_message"),
        ((ASKED, Message("assistant", "im Wald", "de")), "not_trained"),
    ],
)
def test_what_alpaca_cannot_hold_says_so(messages: tuple[Message, ...], reason: str) -> None:
    made = to_form(Demonstration("chat", messages, FROM), "alpaca")
    assert isinstance(made, Rejected)
    assert (made.file, made.row, made.reason) == ("a.json", 7, reason)


def test_a_system_message_in_the_middle_is_none_of_sharegpt() -> None:
    row = Demonstration("chat", (ASKED, TOLD, Message("system", "Now in English.", "en"), ASKED, TOLD), FROM)
    made = to_form(row, "sharegpt")
    assert isinstance(made, Rejected)
    assert made.reason == "system_message"
    assert not isinstance(to_form(row, "messages"), Rejected)


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
TURN = st.tuples(TEXT, st.one_of(st.just(""), TEXT), TEXT, st.booleans())


@given(
    turns=st.lists(TURN, min_size=1, max_size=3),
    system=st.booleans(),
    form=st.sampled_from(["messages", "sharegpt"]),
)
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[str, str, str, bool]], system: bool, form: str
) -> None:
    messages = [Message("system", "Be brief.", "sw")] if system else []
    for text, material, reply, trained in turns:
        messages += [
            Message("user", text, "sw", material),
            Message("assistant", reply, "en", trained=trained),
        ]
    messages[-1] = Message("assistant", messages[-1].text, "en", trained=True)
    row = Demonstration("chat", tuple(messages), FROM)
    path = tmp_path_factory.mktemp("rows") / "train.jsonl"
    write_jsonl(path, [to_form(row, form)])  # type: ignore[arg-type, list-item]
    assert list(read_conversations(path, "sw")) == [row]


def test_alpaca_is_read_back_by_the_reader_that_there_is(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [to_form(ROW, "alpaca")])  # type: ignore[list-item]
    (back,) = read_alpaca(tmp_path / "train.jsonl", "de")
    assert isinstance(back, Demonstration)
    assert back.messages == ROW.messages


def test_files_of_others_and_what_is_wrong_in_them(tmp_path: Path) -> None:
    lines = [
        '{"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Ciao"}]}',
        '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ciao"}]}',
        '{"text": "Hi"}',
        '{"messages": [{"role": "tool", "content": "Hi"}]}',
        '{"messages": [{"role": "user", "content": "Hi"}]}',
        '{"messages": [{"role": "user", "content": ["Hi"]}]}',
        '{"messages": [{"role": "user", "content": ""}]}',
        "[1]",
    ]
    write_text(tmp_path / "c.jsonl", "".join(f"{line}\n" for line in lines))
    first, second, *bad = read_conversations(tmp_path / "c.jsonl", "it", "MIT")
    assert isinstance(first, Demonstration)
    assert isinstance(second, Demonstration)
    assert (
        first.messages
        == second.messages
        == (Message("user", "Hi", "it"), Message("assistant", "Ciao", "it", trained=True))
    )
    assert (first.provenance, second.provenance) == (
        Provenance("c.jsonl", 1, "MIT"),
        Provenance("c.jsonl", 2, "MIT"),
    )
    assert [row.reason for row in bad if isinstance(row, Rejected)] == [
        "missing_field", "unknown_speaker", "no_answer", "wrong_type", "empty_message", "wrong_type",
    ]  # fmt: skip
