"""A conversation to segments of text, each trained or not: the one renderer of training, generation and judging.

Segments are tokenised one by one (`encoding`), so the ids of a prompt are always a prefix of the ids of the whole
conversation, and the loss mask follows from the messages, never from a search in strings.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Protocol

import yaml

from calque.errors import DataError, ModelError, Problem
from calque.languages import language as language_of
from calque.records import Conversation

TemplateLanguage = Literal["english", "prompt"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that is trained on or not. With `token`, `text` names one special token."""

    text: str
    trained: bool = False
    token: bool = False


class Renderer(Protocol):
    """Turns a conversation into segments. `stops` are strings that end an answer, besides the stop token."""

    stops: tuple[str, ...]

    def segments(self, conversation: Conversation) -> list[Segment]:
        """The whole conversation, answers and their stop tokens included."""

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """What a model sees before it answers a conversation that ends with the user's message."""


@dataclass(frozen=True, slots=True)
class Block:
    """The wording of a template in one language."""

    preamble: str
    preamble_with_input: str
    user: str
    user_with_input: str
    answer: str


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt form for models without a chat template; see `prompts/templates/*.yaml`."""

    name: str
    blocks: dict[str, Block]
    stops: tuple[str, ...]
    between: str


def template_names() -> list[str]:
    """The names of the packaged templates."""
    folder = resources.files("calque.prompts") / "templates"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


@cache
def load_template(name: str) -> Template:
    """A packaged template by name, or one's own by the path of a YAML file of the same form."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise DataError(Problem("no such template file", name))
        text = path.read_text(encoding="utf-8")
    elif name in template_names():
        text = (resources.files("calque.prompts") / "templates" / f"{name}.yaml").read_text(encoding="utf-8")
    else:
        remedy = (
            f"packaged are: {', '.join(template_names())}; `chat` is the model's own; or give a .yaml file"
        )
        raise DataError(Problem(f"unknown prompt template {name!r}", remedy=remedy))
    return _parse(name, yaml.safe_load(text))


def _parse(name: str, data: Any) -> Template:
    fields = set(Block.__dataclass_fields__)
    blocks = {}
    for key, value in (data or {}).items():
        if key in ("stops", "between"):
            continue
        if not isinstance(value, dict) or set(value) != fields:
            raise DataError(Problem(f"block {key!r} must have exactly: {', '.join(sorted(fields))}", name))
        blocks[language_of(key).code] = Block(**value)
    if "en" not in blocks:
        raise DataError(Problem("a template needs the block `en`", name))
    return Template(name, blocks, tuple(data.get("stops", ())), data.get("between", "\n\n"))


@dataclass(frozen=True)
class TemplateRenderer:
    """Renders by a `Template`; every answer ends with `stop_token`."""

    template: Template
    stop_token: str
    template_language: TemplateLanguage = "english"

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings that end an answer."""
        return self.template.stops

    def segments(self, conversation: Conversation) -> list[Segment]:
        """The whole conversation, answers and their stop tokens included."""
        block = self._block(conversation)
        segments: list[Segment] = []
        text = ""
        opened = False  # an answer is open: the next assistant message goes on in it
        for i, message in enumerate(conversation):
            if message.role == "system":
                text += message.text + self.template.between
            elif message.role == "user":
                if segments:
                    text += self.template.between
                elif not any(m.role == "system" for m in conversation[:i]):
                    text += block.preamble_with_input if message.input else block.preamble
                wording = block.user_with_input if message.input else block.user
                text += _fill(wording, {"text": message.text, "input": message.input}) + block.answer
                opened = True
            else:
                if not opened and segments:
                    text += block.answer
                segments += _prompt_segment(text)
                segments.append(Segment(message.text, message.trained))
                segments.append(Segment(self.stop_token, message.trained, token=True))
                text, opened = "", False
        return segments + _prompt_segment(text)

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """What a model sees before it answers."""
        return self.segments(conversation)

    def _block(self, conversation: Conversation) -> Block:
        if self.template_language == "english" or set(self.template.blocks) == {"en"}:
            return self.template.blocks["en"]
        code = next((m.language for m in conversation if m.role == "user"), "en")
        block = self.template.blocks.get(code)
        if block is None:
            remedy = (
                f"add a block {code!r} to a copy of the template, or set model.template_language: english"
            )
            raise DataError(
                Problem(f"template {self.template.name!r} has no wording in {code!r}", remedy=remedy)
            )
        return block


def _prompt_segment(text: str) -> list[Segment]:
    return [Segment(text)] if text else []


def _fill(wording: str, values: dict[str, str]) -> str:
    """Put values into {placeholders}, in one pass, so that braces in the data stay as they are."""
    return re.sub(r"\{(text|input)\}", lambda match: values[match[1]], wording)


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that chat rendering needs."""

    all_special_tokens: list[str]

    def apply_chat_template(
        self, conversation: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool
    ) -> Any:
        """The conversation as one text."""


@dataclass(frozen=True)
class ChatRenderer:
    """Renders by the chat template of the model itself, message by message.

    The span of an answer is what the template adds behind the prompt; what follows the answer's text must begin
    with a special token, the stop token. No `{% generation %}` marks are needed.
    """

    tokenizer: ChatTokenizer
    stops: tuple[str, ...] = ()

    def segments(self, conversation: Conversation) -> list[Segment]:
        """The whole conversation, answers and their stop tokens included."""
        segments: list[Segment] = []
        seen = ""
        for i, message in enumerate(conversation):
            if message.role != "assistant":
                continue
            before = self._text(conversation[:i], answer=True)
            after = self._text(conversation[: i + 1], answer=False)
            if not before.startswith(seen) or not after.startswith(before):
                raise ModelError(
                    Problem(
                        "the model's chat template changes earlier text when a turn is added",
                        remedy="set model.template to alpaca, plain or a template file of your own",
                    )
                )
            segments += _prompt_segment(before[len(seen) :])
            answer = after[len(before) :]
            if not answer.startswith(message.text):
                raise ModelError(
                    Problem(
                        "the model's chat template rewrites answers", remedy="set model.template to alpaca"
                    )
                )
            segments.append(Segment(message.text, message.trained))
            segments += self._tail(answer[len(message.text) :], message.trained)
            seen = after
        rest = self._text(conversation, answer=True) if conversation[-1].role != "assistant" else seen
        return segments + _prompt_segment(rest[len(seen) :])

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """What a model sees before it answers."""
        return self.segments(conversation)

    def _tail(self, tail: str, trained: bool) -> list[Segment]:
        stop = next(
            (
                t
                for t in sorted(self.tokenizer.all_special_tokens, key=len, reverse=True)
                if tail.startswith(t)
            ),
            None,
        )
        if stop is None:
            raise ModelError(
                Problem(
                    "the model's chat template does not end an answer with a special token, so the model could never learn to stop",
                    remedy="set model.template to alpaca, plain or a template file of your own",
                )
            )
        return [Segment(stop, trained, token=True), *_prompt_segment(tail[len(stop) :])]

    def _text(self, conversation: Sequence[Any], *, answer: bool) -> str:
        turns = [
            {"role": m.role, "content": m.text + ("\n\n" + m.input if m.input else "")} for m in conversation
        ]
        return str(self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=answer))
