"""Segments to token ids, in batches, with the loss mask. Segment by segment: no merge ever crosses a boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calque.errors import ModelError, Problem
from calque.prompts.render import (
    ChatRenderer,
    Renderer,
    Segment,
    TemplateLanguage,
    TemplateRenderer,
    load_template,
)
from calque.records import Conversation


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a conversation and, for each, whether it is trained on (same length)."""

    ids: list[int]
    trained: list[bool]


class Encoder:
    """A tokenizer together with a renderer: the only way from a conversation to token ids.

    `tokenizer` is a Hugging Face tokenizer. A beginning-of-sequence token is put in front where the tokenizer
    itself would, once, also if a chat template writes it.
    """

    def __init__(self, tokenizer: Any, renderer: Renderer) -> None:
        self.tokenizer = tokenizer
        self.renderer = renderer
        self.bos = _bos(tokenizer)

    def encode(self, conversations: Sequence[Conversation]) -> list[Encoded]:
        """Ids and loss mask of whole conversations, for training."""
        return self._encode([self.renderer.segments(c) for c in conversations])

    def encode_prompts(self, conversations: Sequence[Conversation]) -> list[list[int]]:
        """Ids of what a model sees before it answers."""
        return [e.ids for e in self._encode([self.renderer.prompt(c) for c in conversations])]

    def encode_answers(self, answers: Sequence[str]) -> list[list[int]]:
        """Ids of answers as they would stand behind a prompt, without the stop token."""
        return [list(ids) for ids in self._tokenize(list(answers))]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of an answer: special tokens left out, cut at the template's stop strings, trimmed."""
        text = str(self.tokenizer.decode(list(ids), skip_special_tokens=True))
        for stop in self.renderer.stops:
            text = text.split(stop, 1)[0]
        return text.strip()

    def _encode(self, rows: list[list[Segment]]) -> list[Encoded]:
        texts = list(dict.fromkeys(s.text for row in rows for s in row if not s.token))
        ids_of = dict(zip(texts, self._tokenize(texts), strict=True))
        encoded = []
        for row in rows:
            ids: list[int] = []
            trained: list[bool] = []
            for segment in row:
                piece = [self._token(segment.text)] if segment.token else ids_of[segment.text]
                ids += piece
                trained += [segment.trained] * len(piece)
            if self.bos is not None and ids[:1] != [self.bos]:
                ids.insert(0, self.bos)
                trained.insert(0, False)
            encoded.append(Encoded(ids, trained))
        return encoded

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        # Special tokens written in the data are plain text, except where the chat template itself writes them.
        split = not isinstance(self.renderer, ChatRenderer)
        return list(self.tokenizer(texts, add_special_tokens=False, split_special_tokens=split)["input_ids"])

    def _token(self, text: str) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(text))


def _bos(tokenizer: Any) -> int | None:
    bos = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None


def make_encoder(tokenizer: Any, template: str, template_language: TemplateLanguage = "english") -> Encoder:
    """The encoder of a model. `template` is `chat` (the model's own), a packaged template, or a YAML file."""
    if template == "chat":
        if not getattr(tokenizer, "chat_template", None):
            raise ModelError(
                Problem(
                    "model.template is `chat`, but the model's tokenizer has no chat template",
                    remedy="set model.template to alpaca",
                )
            )
        return Encoder(tokenizer, ChatRenderer(tokenizer))
    if tokenizer.eos_token is None:
        raise ModelError(Problem("the tokenizer has no end-of-sequence token, so no answer could end"))
    renderer = TemplateRenderer(load_template(template), tokenizer.eos_token, template_language)
    return Encoder(tokenizer, renderer)
