"""The nouns. Every file format becomes one of these at the door, and everything inside works on them alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, get_args

Role = Literal["system", "user", "assistant"]
Kind = Literal["instruction", "translation", "cross-lingual", "chat", "pivot", "reversed", "rated", "text"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `input` is Alpaca's second field: the material that the request in `text` is about.

    `stops` is false of an answer that stands as an example in a running text: no stop token ends it.
    """

    role: Role
    text: str
    language: str
    input: str = ""
    trained: bool = False
    stops: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """Its text and its input, where there are such."""
        return tuple(text for text in (self.text, self.input) if text)


Conversation = tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a record comes from: the file (its name, never a machine's path), its 1-based row, its licence."""

    dataset: str
    row: int
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A conversation to learn from. `kind` is the view by which it was made; `scores` are what curation found."""

    kind: Kind
    messages: Conversation
    provenance: Provenance
    scores: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def id(self) -> str:
        """Content address: 16 hex digits over kind and messages, the same in every run and on every machine."""
        content = [self.kind, [_message_row(m) for m in self.messages]]
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def languages(self) -> tuple[str, str, str]:
        """Languages of the prompt, of the thinking and of the answer.

        The prompt is the last user message before the first trained one; the answer is the last trained
        message; the thinking is the first trained message where there are several, else that of the answer.
        """
        trained = [i for i, m in enumerate(self.messages) if m.trained]
        if not trained:
            language = self.messages[-1].language if self.messages else ""
            return language, language, language
        before = [m for m in self.messages[: trained[0]] if m.role == "user"]
        answer = self.messages[trained[-1]].language
        prompt = before[-1].language if before else answer
        return prompt, self.messages[trained[0]].language, answer


@dataclass(frozen=True, slots=True)
class SentencePair:
    """A sentence in English and the same sentence in `language`."""

    english: str
    target: str
    language: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Passage:
    """A text in `language` as somebody wrote it. `source` is its address or id in the dataset, where it has one."""

    text: str
    language: str
    provenance: Provenance
    source: str = ""

    @property
    def id(self) -> str:
        """Content address: 16 hex digits over language and text, the same in every run and on every machine."""
        return hashlib.sha256(f"{self.language}\0{self.text}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class InstructionPair:
    """One conversation in English and in `language`: turn i of the one says what turn i of the other says.

    Requests and responses take turns, and a response comes last; which are trained is for a view to say.
    """

    english: Conversation
    target: Conversation
    language: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class CrossLingualPair:
    """An instruction in English, perhaps with its material in `input`, and the text in `language` that answers it.

    `english` is the same answer in English, where the source has it.
    """

    instruction: str
    response: str
    language: str
    provenance: Provenance
    input: str = ""
    english: str = ""

    @property
    def id(self) -> str:
        """Content address: 16 hex digits over language, instruction, input and response."""
        content = json.dumps([self.language, self.instruction, self.input, self.response], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that could not be read or was put aside: where, and why.

    `reason` is a short fixed key to count by (`empty_response`); `detail` is for the reader; `raw` is at
    most 500 characters of the row itself.
    """

    file: str
    row: int
    reason: str
    detail: str = ""
    raw: str = ""

    def to_row(self) -> dict[str, Any]:
        """The form in which dropped rows are written to JSONL."""
        return {
            "file": self.file,
            "row": self.row,
            "reason": self.reason,
            "detail": self.detail,
            "raw": self.raw[:500],
        }


def _message_row(message: Message) -> dict[str, Any]:
    row: dict[str, Any] = {"role": message.role, "text": message.text, "language": message.language}
    if message.input:
        row["input"] = message.input
    if message.trained:
        row["trained"] = True
    return row


def to_row(demonstration: Demonstration) -> dict[str, Any]:
    """The JSONL form of a demonstration: a dict of plain values."""
    provenance = demonstration.provenance
    row: dict[str, Any] = {
        "id": demonstration.id,
        "kind": demonstration.kind,
        "messages": [_message_row(m) for m in demonstration.messages],
        "dataset": provenance.dataset,
        "row": provenance.row,
        "licence": provenance.licence,
    }
    if demonstration.scores:
        row["scores"] = dict(demonstration.scores)
    return row


def from_row(row: Mapping[str, Any]) -> Demonstration:
    """Read the JSONL form back. Raises `ValueError` that names the field which does not fit."""
    try:
        kind, messages = row["kind"], row["messages"]
        provenance = Provenance(str(row["dataset"]), int(row["row"]), str(row.get("licence", "")))
    except KeyError as missing:
        raise ValueError(f"field {missing} is missing") from None
    if kind not in get_args(Kind):
        raise ValueError(f"kind {kind!r} is none of {', '.join(get_args(Kind))}")
    turns = []
    for i, message in enumerate(messages):
        if message.get("role") not in get_args(Role):
            raise ValueError(
                f"messages[{i}].role {message.get('role')!r} is none of {', '.join(get_args(Role))}"
            )
        if not isinstance(message.get("text"), str):
            raise ValueError(f"messages[{i}].text is not a string")
        turns.append(
            Message(
                role=message["role"],
                text=message["text"],
                language=str(message.get("language", "")),
                input=str(message.get("input", "")),
                trained=bool(message.get("trained", False)),
            )
        )
    scores = MappingProxyType({str(k): float(v) for k, v in row.get("scores", {}).items()})
    return Demonstration(kind, tuple(turns), provenance, scores)


def with_score(demonstration: Demonstration, name: str, value: float) -> Demonstration:
    """The same demonstration with one more score."""
    return replace(demonstration, scores=MappingProxyType({**demonstration.scores, name: value}))
