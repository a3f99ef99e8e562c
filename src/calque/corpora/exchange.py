"""Demonstrations in the forms that other tools read, and back: messages, ShareGPT, Alpaca.

    messages   {"messages": [{"role", "content"}, ...]}                     OpenAI, TRL, Axolotl, most of the hub
    sharegpt   {"system"?, "conversations": [{"from": "human" | "gpt", "value"}, ...]}
    alpaca     {"instruction", "input", "output"}

Beside these stand what a row is and where it comes from (`id`, `kind`, `language`, `dataset`, `row`, `licence`); an answer that is not
to be learnt carries `"weight": 0`, as OpenAI and Axolotl read it. What a form cannot hold is `Rejected`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

from calque.corpora.json_rows import JsonRow, read_rows
from calque.records import Conversation, Demonstration, Kind, Message, Provenance, Rejected, Role

Form = Literal["messages", "sharegpt", "alpaca"]
CONVERSATIONS = ("messages", "conversations")  # the fields that hold one
_SPEAKERS: dict[str, Role] = {
    "system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"
}  # fmt: skip


def to_form(row: Demonstration, form: Form) -> dict[str, Any] | Rejected:
    """A demonstration as a row of `form`.

    Reasons to reject it: `several_turns`, `system_message`, `not_trained` (an answer not to be learnt, or none), and
    `input_in_later_turn`.
    """
    if form == "alpaca":
        return _to_alpaca(row)
    if form == "sharegpt":
        return _to_sharegpt(row)
    return {"messages": [_turn(m, "role", "content", m.role) for m in row.messages], **_about(row)}


def read_conversations(
    path: str | Path, language: str, licence: str = ""
) -> Iterator[Demonstration | Rejected]:
    """What `to_form` made of demonstrations as messages or ShareGPT, read back: the same rows.

    `language` is that of messages that do not say their own. Reasons as in `conversation_row`, and those of `read_rows`.
    """
    name = Path(path).name
    for row in read_rows(path):
        if isinstance(row, Rejected):
            yield row
            continue
        made = conversation_row(row, name, language, licence, whole=True)
        if isinstance(made, Demonstration) and isinstance(row.value.get("dataset"), str):
            about = Provenance(row.value["dataset"], int(row.value["row"]), str(row.value["licence"]))
            kind: Kind = row.value["kind"] if row.value["kind"] in get_args(Kind) else made.kind
            made = replace(made, kind=kind, provenance=about)
        yield made


def conversation_row(
    row: JsonRow, name: str, language: str, licence: str, *, whole: bool = False
) -> Demonstration | Rejected:
    """The demonstration of one row in the form of messages or of ShareGPT, told apart by their fields.

    Without weights every answer is trained on. Whitespace around texts goes, and all is in `language`; with `whole` texts and
    their languages stay as they are. Reasons: `wrong_type`, `missing_field`, `unknown_speaker`, `empty_message`,
    `no_request` (it begins with an answer), `no_answer` (none to learn from).
    """
    try:
        messages = _messages(row.value, language, whole=whole)
    except _BadRowError as bad:
        return Rejected(name, row.row, bad.reason, f"line {row.line}: {bad.detail}", row.raw[:500])
    return Demonstration("instruction", messages, Provenance(name, row.row, licence))


class _BadRowError(ValueError):
    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail


def _turn(message: Message, speaker: str, words: str, name: str) -> dict[str, Any]:
    """One message; material that the request is about stands behind it, and once more by itself, to be told apart."""
    turn: dict[str, Any] = {speaker: name, words: "\n\n".join(message.texts), "language": message.language}
    if message.input:
        turn["input"] = message.input
    if message.role == "assistant" and not message.trained:
        turn["weight"] = 0
    return turn


def _about(row: Demonstration) -> dict[str, Any]:
    source = row.provenance
    return {
        "id": row.id,
        "kind": row.kind,
        "language": row.languages[2],
        "dataset": source.dataset,
        "row": source.row,
        "licence": source.licence,
    }


def _to_sharegpt(row: Demonstration) -> dict[str, Any] | Rejected:
    names = {"user": "human", "assistant": "gpt"}
    system = [m for m in row.messages if m.role == "system"]
    if system and (len(system) > 1 or row.messages[0] is not system[0]):
        return _rejected(row, "system_message", "a system message stands behind other messages")
    turns = [_turn(m, "from", "value", names[m.role]) for m in row.messages if m.role != "system"]
    return {**({"system": system[0].text} if system else {}), "conversations": turns, **_about(row)}


def _to_alpaca(row: Demonstration) -> dict[str, Any] | Rejected:
    if any(m.role == "system" for m in row.messages):
        return _rejected(row, "system_message", "Alpaca has no place for a system message")
    if [m.role for m in row.messages] != ["user", "assistant"]:
        return _rejected(
            row, "several_turns", f"{len(row.messages)} messages; Alpaca holds one request and its answer"
        )
    request, answer = row.messages
    if not answer.trained:
        return _rejected(row, "not_trained", "the answer is not trained on, and Alpaca cannot say so")
    return {"instruction": request.text, "input": request.input, "output": answer.text, **_about(row)}


def _rejected(row: Demonstration, reason: str, detail: str) -> Rejected:
    source = row.provenance
    return Rejected(source.dataset, source.row, reason, detail, row.messages[0].text[:500])


def _messages(value: Any, language: str, *, whole: bool) -> Conversation:
    if not isinstance(value, dict):
        raise _BadRowError("wrong_type", "the row is no object")
    field = next((field for field in CONVERSATIONS if field in value), None)
    if field is None:
        raise _BadRowError("missing_field", "there is neither 'messages' nor 'conversations'")
    if not isinstance(value[field], list):
        raise _BadRowError("wrong_type", f"{field!r} is no list")
    turns = [_message(turn, i, language, whole=whole) for i, turn in enumerate(value[field])]
    if isinstance(value.get("system"), str) and value["system"].strip():
        turns.insert(0, Message("system", value["system"], language))
    if next((turn.role for turn in turns if turn.role != "system"), "user") != "user":
        raise _BadRowError("no_request", "the conversation begins with an answer")
    if not any(turn.trained for turn in turns):
        raise _BadRowError("no_answer", "there is no answer to learn from")
    return tuple(turns)


def _message(turn: Any, i: int, language: str, *, whole: bool) -> Message:
    if not isinstance(turn, Mapping):
        raise _BadRowError("wrong_type", f"message {i} is no object")
    speaker, words = ("from", "value") if "from" in turn else ("role", "content")
    role = _SPEAKERS.get(str(turn.get(speaker)))
    if role is None:
        raise _BadRowError("unknown_speaker", f"message {i} is by {turn.get(speaker)!r}")
    text, material = turn.get(words), turn.get("input") or ""
    if not isinstance(text, str) or not isinstance(material, str):
        raise _BadRowError("wrong_type", f"{words!r} of message {i} is no text")
    if material and text.endswith(f"\n\n{material}"):
        text = text.removesuffix(f"\n\n{material}")
    else:
        material = ""
    if not whole:
        text, material = text.strip(), material.strip()
    if not text:
        raise _BadRowError("empty_message", f"message {i} is empty")
    spoken = str(turn.get("language") or language) if whole else language
    return Message(role, text, spoken, material, role == "assistant" and turn.get("weight", 1) != 0)
