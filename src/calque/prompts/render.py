"""A conversation to segments of text, each trained or not: the one renderer of training, generation and judging.

Here for models without a chat template; `chat` does the same by the template of a model. Segments are tokenised one by one (`encoding`), so the ids of a prompt are always a prefix of the ids of the whole
conversation, and the loss mask follows from the messages, never from a search in strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal, Protocol

import yaml

from calque.errors import DataError, Problem
from calque.languages import language as language_of
from calque.records import Conversation, Role

TemplateLanguage = Literal["english", "prompt"]
NO_CHAT_TEMPLATE = Problem(
    "model.template is `chat`, but the model's tokenizer has no chat template",
    remedy="set model.template to alpaca",
)


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that is trained on or not.

    With `token`, `text` names one special token. With `template`, a chat template wrote it, and the names of special
    tokens in it stand for them; in all other text they are plain text.
    """

    text: str
    trained: bool = False
    token: bool = False
    template: bool = False


class Renderer(Protocol):
    """Turns a conversation into segments."""

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings that end an answer, besides the stop token."""

    @property
    def opening(self) -> str:
        """The blanks with which every answer begins."""

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
    return _parse(name, text)


def _parse(name: str, text: str) -> Template:
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else None
        raise DataError(Problem("this is not YAML", name, line)) from error
    if not isinstance(data, dict):
        raise DataError(Problem("a template is a mapping of language codes to blocks", name))
    stops, between = data.pop("stops", []), data.pop("between", "\n\n")
    if not isinstance(stops, list) or not all(isinstance(stop, str) and stop for stop in stops):
        raise DataError(Problem("`stops` must be a list of strings", name))
    if not isinstance(between, str):
        raise DataError(Problem("`between` must be a string", name))
    blocks = {language_of(str(key)).code: _block(name, key, value) for key, value in data.items()}
    if "en" not in blocks:
        raise DataError(Problem("a template needs the block `en`", name))
    return Template(name, blocks, tuple(stops), between)


def _block(name: str, key: object, value: object) -> Block:
    fields = set(Block.__dataclass_fields__)
    if (
        not isinstance(value, dict)
        or set(value) != fields
        or not all(isinstance(v, str) for v in value.values())
    ):
        message = f"block {key!r} must have exactly these texts: {', '.join(sorted(fields))}"
        raise DataError(Problem(message, name))
    block = Block(**value)
    for field, wording in (("user", block.user), ("user_with_input", block.user_with_input)):
        if "{text}" not in wording:
            raise DataError(Problem(f"{field} of block {key!r} has no place for {{text}}", name))
    if "{input}" not in block.user_with_input:
        raise DataError(Problem(f"user_with_input of block {key!r} has no place for {{input}}", name))
    return block


@dataclass(frozen=True)
class TemplateRenderer:
    """Renders by a `Template`; every answer ends with `stop_token`."""

    template: Template
    stop_token: str
    template_language: TemplateLanguage = "english"
    opening: str = ""

    @property
    def stops(self) -> tuple[str, ...]:
        """Strings that end an answer."""
        return self.template.stops

    def segments(self, conversation: Conversation) -> list[Segment]:
        """The whole conversation, answers and their stop tokens included."""
        block = self._block(conversation)
        segments: list[Segment] = []
        text = ""
        before: Role | None = None
        for message in conversation:
            if message.role == "system":
                text += (self.template.between if before == "assistant" else "") + message.text
                text += self.template.between
            elif message.role == "user":
                if before is None:
                    text += block.preamble_with_input if message.input else block.preamble
                elif before != "system":
                    text += self.template.between
                wording = block.user_with_input if message.input else block.user
                text += _fill(wording, {"text": message.text, "input": message.input}) + block.answer
            else:
                if before == "assistant":
                    text += self.template.between + block.answer
                segments += [Segment(text)] if text else []
                segments.append(Segment(message.text, message.trained))
                if message.stops:
                    segments.append(Segment(self.stop_token, message.trained, token=True))
                text = ""
            before = message.role
        return segments + ([Segment(text)] if text else [])

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


def _fill(wording: str, values: dict[str, str]) -> str:
    """Put values into {placeholders}, in one pass, so that braces in the data stay as they are."""
    return re.sub(r"\{(text|input)\}", lambda match: values[match[1]], wording)
