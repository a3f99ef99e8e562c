"""Rendering by the chat template of the model itself, message by message. No `{% generation %}` marks are needed.

The template is asked for the conversation before and after each answer; what it adds is the answer's span. Names of
special tokens that stand in the data are marked before rendering, so that only those which the template writes
become special tokens.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from jinja2 import TemplateError

from calque.errors import ModelError, Problem
from calque.prompts.render import Segment
from calque.records import Conversation, Message

OTHERWISE = "set model.template to alpaca, plain or a template file of your own"
# Templates that write a date (strftime_now) are told this one, so that equal runs have equal prompts.
TODAY = (
    "{%- macro strftime_now(form) -%}{{ form | replace('%Y', '2024') | replace('%m', '07') | replace('%d', '26')"
    " | replace('%b', 'Jul') | replace('%B', 'July') }}{%- endmacro -%}"
)
OPEN, CLOSE = "\ufdd0", "\ufdd1"  # noncharacters: Unicode keeps them free for marks like these
_MARKED = re.compile(f"{OPEN}([0-9]+){CLOSE}")
_PROBE = "calque"


class ChatTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that chat rendering needs."""

    all_special_tokens: list[str]
    added_tokens_decoder: dict[int, Any]

    def get_chat_template(self) -> str:
        """The template that holds for plain conversations."""

    def apply_chat_template(self, conversation: list[dict[str, str]], **options: Any) -> Any:
        """The conversation as one text."""


def _in_turns(conversation: Conversation) -> Conversation:
    """Examples in a running text as a part of the request behind them: a chat template knows nothing but turns."""
    turns: list[Message] = []
    for message in conversation:
        last = turns[-1] if turns else None
        if message.role == "assistant" and not message.stops and last is not None:
            turns[-1] = replace(last, text="\n\n".join((*last.texts, message.text)), input="", stops=False)
        elif last is not None and not last.stops:
            turns[-1] = replace(message, text=f"{last.text}\n\n{message.text}")
        else:
            turns.append(message)
    return tuple(turns)


def special_names(tokenizer: ChatTokenizer) -> tuple[str, ...]:
    """Names of a tokenizer's special tokens, the longest first."""
    added = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted({*tokenizer.all_special_tokens, *added}, key=lambda name: (-len(name), name)))


def any_of(names: Sequence[str]) -> re.Pattern[str]:
    """A pattern that finds the first of `names` at a place, or nothing where there are none."""
    return re.compile("|".join(map(re.escape, names)) or "(?!)")


@dataclass(frozen=True)
class ChatRenderer:
    """Renders by the model's own chat template.

    What the template writes between prompt and answer goes to the answer if it is blank (`[/INST] Paris`), else to
    the prompt (an empty block of thoughts). Behind the answer a special token must stand, the stop token.
    """

    tokenizer: ChatTokenizer
    stops: tuple[str, ...] = ()

    @cached_property
    def opening(self) -> str:
        """The blanks with which every answer begins."""
        return self._lead if not self._lead.strip() else ""

    def segments(self, conversation: Conversation) -> list[Segment]:
        """The whole conversation, answers and their stop tokens included."""
        conversation = _in_turns(conversation)
        segments: list[Segment] = []
        seen = ""
        for i, message in enumerate(conversation):
            if message.role != "assistant":
                continue
            before = self._prompt(conversation[:i])
            after = self._text(conversation[: i + 1], answer=False)
            if not before.startswith(seen) or not after.startswith(before):
                raise _unusable("changes earlier text when a turn is added")
            answer, stop = self._answer(after[len(before) :], message)
            segments += self._split(before[len(seen) :], trained=False)
            segments += self._split(answer, message.trained)
            segments.append(Segment(stop, message.trained, token=True))
            seen = before + answer + stop
        if conversation and conversation[-1].role == "assistant":
            whole = self._text(conversation, answer=False)
        else:
            whole = self._prompt(conversation)
        if not whole.startswith(seen):
            raise _unusable("changes earlier text when a turn is added")
        return segments + self._split(whole[len(seen) :], trained=False)

    def prompt(self, conversation: Conversation) -> list[Segment]:
        """What a model sees before it answers."""
        return self.segments(conversation)

    @cached_property
    def _lead(self) -> str:
        """What the template writes between the prompt and the text of an answer."""
        turn = (Message("user", "a", "en"), Message("assistant", _PROBE, "en"))
        before, after = self._text(turn[:1], answer=True), self._text(turn, answer=False)
        at = after.find(_PROBE, len(before))
        if at < 0 or not after.startswith(before):
            raise _unusable("rewrites what stands before an answer")
        return after[len(before) : at]

    @cached_property
    def _special(self) -> tuple[str, ...]:
        return special_names(self.tokenizer)

    @cached_property
    def _names(self) -> re.Pattern[str]:
        return any_of(self._special)

    @cached_property
    def _template(self) -> str:
        return TODAY + self.tokenizer.get_chat_template()

    def _prompt(self, conversation: Conversation) -> str:
        text = self._text(conversation, answer=True)
        return text + self._lead if self._lead.strip() else text

    def _answer(self, added: str, message: Message) -> tuple[str, str]:
        """What the template added for an answer: the answer, with blanks around it, and its stop token."""
        text = self._mark(message.text)
        for shown in (text, text.strip()):
            if added.startswith(self.opening + shown):
                end = len(self.opening) + len(shown)
                tail = added[end:]
                blank = len(tail) - len(tail.lstrip())
                stop = self._names.match(tail, blank)
                if stop is None:
                    raise _unusable(
                        "does not end an answer with a special token, so the model could never learn to stop"
                    )
                return added[: end + blank], stop[0]
        raise _unusable("rewrites answers")

    def _mark(self, text: str) -> str:
        text = text.replace(OPEN, "").replace(CLOSE, "")
        return self._names.sub(lambda name: f"{OPEN}{self._special.index(name[0])}{CLOSE}", text)

    def _split(self, text: str, trained: bool) -> list[Segment]:
        """Text of the template, in which names of special tokens count, and marked names, which are plain text."""
        return [
            Segment(self._special[int(piece)], trained) if i % 2 else Segment(piece, trained, template=True)
            for i, piece in enumerate(_MARKED.split(text))
            if piece
        ]

    def _text(self, conversation: Sequence[Message], *, answer: bool) -> str:
        if not conversation:
            return ""
        turns = [
            {"role": m.role, "content": self._mark(m.text + ("\n\n" + m.input if m.input else ""))}
            for m in conversation
        ]
        try:
            text = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=answer, chat_template=self._template
            )
        except TemplateError as error:
            raise _unusable(f"refuses a conversation: {error}") from error
        return str(text)


def _unusable(reason: str) -> ModelError:
    return ModelError(Problem(f"the model's chat template {reason}", remedy=OTHERWISE))
