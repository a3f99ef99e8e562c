"""Segments to token ids, in batches, with the loss mask. Segment by segment: no merge ever crosses a boundary."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from calque.errors import ModelError, Problem
from calque.prompts.chat import OPEN, ChatRenderer, any_of, special_names
from calque.prompts.render import (
    NO_CHAT_TEMPLATE,
    Renderer,
    Segment,
    TemplateLanguage,
    TemplateRenderer,
    load_template,
)
from calque.records import Conversation, Message


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a conversation and, for each, whether it is trained on (same length).

    `own` counts for each message the tokens of its text and input alone, without template and stop token.
    """

    ids: list[int]
    trained: list[bool]
    own: tuple[int, ...] = ()


class Encoder:
    """A tokenizer together with a renderer: the only way from a conversation to token ids.

    `tokenizer` is a Hugging Face tokenizer. A beginning-of-sequence token is put in front where the tokenizer itself
    would; a chat template writes its own, or none.
    """

    def __init__(self, tokenizer: Any, renderer: Renderer) -> None:
        self.tokenizer = tokenizer
        self.renderer = renderer
        self.bos = None if isinstance(renderer, ChatRenderer) else _bos(tokenizer)

    @cached_property
    def stop_id(self) -> int:
        """The token that ends an answer, as the renderer writes it."""
        turn = (Message("user", "a", "en"), Message("assistant", "b", "en", trained=True))
        stop = next(s for s in self.renderer.segments(turn) if s.token and s.trained)
        return self._token(stop.text)

    def encode(self, conversations: Sequence[Conversation], *, count: bool = False) -> list[Encoded]:
        """Ids and loss mask of whole conversations, for training; each distinct text is tokenised once.

        With `count`, the texts of the messages are tokenised by themselves too, and counted (`Encoded.own`).
        """
        rows = [self.renderer.segments(c) for c in conversations]
        texts = [text for c in conversations for m in c for text in m.texts] if count else []
        ids_of = self._ids_of(rows, texts)
        encoded = [self._joined(row, ids_of) for row in rows]
        if not count:
            return encoded
        sizes = {text: len(ids) for (text, _), ids in ids_of.items()}
        return [
            replace(row, own=tuple(sum(sizes[text] for text in m.texts) for m in c))
            for c, row in zip(conversations, encoded, strict=True)
        ]

    def encode_prompts(self, conversations: Sequence[Conversation]) -> list[list[int]]:
        """Ids of what a model sees before it answers."""
        rows = [self.renderer.prompt(c) for c in conversations]
        ids_of = self._ids_of(rows)
        return [self._joined(row, ids_of).ids for row in rows]

    def encode_answers(self, answers: Sequence[str]) -> list[list[int]]:
        """Ids of answers as they would stand behind a prompt, without the stop token."""
        return self._tokenize([self.renderer.opening + answer for answer in answers], template=False)

    def decode(self, ids: Sequence[int]) -> tuple[str, bool]:
        """The text of generated ids, trimmed, and whether the answer came to its end.

        The end is the stop token, or the first of the template's stop strings.
        """
        written = list(ids)
        finished = self.stop_id in written
        if finished:
            written = written[: written.index(self.stop_id)]
        text = str(
            self.tokenizer.decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )
        for stop in self.renderer.stops:
            text, found, _ = text.partition(stop)
            finished = finished or bool(found)
        return text.strip(), finished

    def _ids_of(
        self, rows: list[list[Segment]], alone: Sequence[str] = ()
    ) -> dict[tuple[str, bool], list[int]]:
        """Ids of every text in the segments, by text and whether a template wrote it; and of the texts `alone`."""
        ids_of: dict[tuple[str, bool], list[int]] = {}
        for template in (True, False):
            texts = [s.text for row in rows for s in row if not s.token and s.template == template]
            if not template:
                texts += [text for text in alone if (text, True) not in ids_of]
            texts = list(dict.fromkeys(texts))
            pieces = self._tokenize(texts, template=template)
            ids_of |= {(text, template): ids for text, ids in zip(texts, pieces, strict=True)}
        return ids_of

    def _joined(self, row: list[Segment], ids_of: Mapping[tuple[str, bool], list[int]]) -> Encoded:
        ids: list[int] = [] if self.bos is None else [self.bos]
        trained = [False] * len(ids)
        for segment in row:
            piece = [self._token(segment.text)] if segment.token else ids_of[segment.text, segment.template]
            ids += piece
            trained += [segment.trained] * len(piece)
        return Encoded(ids, trained)

    def _tokenize(self, texts: list[str], *, template: bool) -> list[list[int]]:
        """Names of special tokens are plain text, except in what a chat template wrote."""
        if not texts:
            return []
        rows = self._ids_of_texts(texts, not template)
        return rows if template else [self._plain(text, ids) for text, ids in zip(texts, rows, strict=True)]

    def _ids_of_texts(self, texts: list[str], split: bool) -> list[list[int]]:
        """Ids of each text as it stands, by the tokenizer in Rust where transformers' call does nothing else."""
        if self._backend is None:
            rows = self.tokenizer(texts, add_special_tokens=False, split_special_tokens=split)["input_ids"]
            return [list(ids) for ids in rows]
        self._backend.no_truncation()
        self._backend.no_padding()
        self._backend.encode_special_tokens = split
        # No offsets and no masks, which the call makes and nobody asks for: benchmarks/encoding.py.
        return [row.ids for row in self._backend.encode_batch_fast(texts, add_special_tokens=False)]

    @cached_property
    def _backend(self) -> Any:
        """The tokenizer in Rust; None where there is none, or where its class calls it in a way of its own."""
        from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

        own = type(self.tokenizer)
        plain = (
            isinstance(self.tokenizer, PreTrainedTokenizerFast)
            and own._encode_plus is PreTrainedTokenizerFast._encode_plus
            and own.__call__ is PreTrainedTokenizerBase.__call__
        )
        return self.tokenizer.backend_tokenizer if plain else None

    def _plain(self, text: str, ids: list[int]) -> list[int]:
        """Ids of data without a special token: the vocabulary of some tokenizers (Unigram) holds their names as words."""
        names, special = self._special
        if special.isdisjoint(ids):
            return ids
        broken = names.sub(lambda name: f"{name[0][0]}{OPEN}{name[0][1:]}", text).split(OPEN)
        pieces = self.tokenizer([p for p in broken if p], add_special_tokens=False, split_special_tokens=True)
        return [token for piece in pieces["input_ids"] for token in piece]

    @cached_property
    def _special(self) -> tuple[re.Pattern[str], frozenset[int]]:
        """What finds the names of special tokens, and their ids; that for unknown characters is no danger."""
        names = [name for name in special_names(self.tokenizer) if name != self.tokenizer.unk_token]
        return any_of(names), frozenset(map(self._token, names))

    def _token(self, text: str) -> int:
        return int(self.tokenizer.convert_tokens_to_ids(text))


def _bos(tokenizer: Any) -> int | None:
    bos = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None


def make_encoder(tokenizer: Any, template: str, template_language: TemplateLanguage = "english") -> Encoder:
    """The encoder of a model. `template` is `chat` (the model's own), a packaged template, or a YAML file."""
    if template == "chat":
        if not getattr(tokenizer, "chat_template", None):
            raise ModelError(NO_CHAT_TEMPLATE)
        return Encoder(tokenizer, ChatRenderer(tokenizer))
    if tokenizer.eos_token is None:
        raise ModelError(Problem("the tokenizer has no end-of-sequence token, so no answer could end"))
    renderer = TemplateRenderer(load_template(template), tokenizer.eos_token, template_language)
    return Encoder(tokenizer, renderer)
