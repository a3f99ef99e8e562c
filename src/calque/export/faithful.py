"""Whether a chat template gives others the token ids that training saw: tried on the rows that were trained on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from calque.prompts.chat import any_of, special_names
from calque.prompts.encoding import Encoder
from calque.prompts.jinja import as_messages
from calque.records import Conversation

TRIED = 500  # rows


@dataclass(frozen=True, slots=True)
class Agreement:
    """Rows tried, and those whose ids are equal: up to the first trained answer, and whole.

    `named` are rows left out of all these because they hold the name of a special token, which only we keep as plain text.
    """

    rows: int
    prompts: int
    whole: int
    named: int

    @property
    def told(self) -> str:
        """In words, for the terminal and the card."""
        if not self.rows:
            return "the chat template could be tried on no row"
        text = f"token ids by the chat template equal those of training in {self.prompts:,} of {self.rows:,} prompts"
        if self.whole != self.prompts:
            text += f", and in {self.whole:,} of {self.rows:,} whole conversations"
        if self.named:
            text += (
                f"; {self.named:,} rows with the name of a special token in them were left out: there a chat "
                "template makes a special token of it, and training did not"
            )
        return text

    @property
    def is_full(self) -> bool:
        """Whether there is no difference."""
        return self.prompts == self.whole == self.rows


def agreement(encoder: Encoder, tokenizer: Any, conversations: Iterable[Conversation]) -> Agreement:
    """Compare the ids of `encoder` with those of the chat template of `tokenizer`, as it was written out."""
    names = any_of(special_names(tokenizer))
    tried = [c for c in conversations if any(m.role == "assistant" for m in c)]
    rows = [c for c in tried if not any(names.search(text) for m in c for text in m.texts)]
    prompts = [c[: next(i for i, m in enumerate(c) if m.role == "assistant")] for c in rows]
    same_prompts = sum(
        ids == _theirs(tokenizer, encoder, prompt, cue=True)
        for ids, prompt in zip(encoder.encode_prompts(prompts), prompts, strict=True)
    )
    same = sum(
        encoded.ids == _theirs(tokenizer, encoder, row, cue=False)
        for encoded, row in zip(encoder.encode(rows), rows, strict=True)
    )
    return Agreement(len(rows), same_prompts, same, len(tried) - len(rows))


def _theirs(tokenizer: Any, encoder: Encoder, conversation: Conversation, *, cue: bool) -> list[int]:
    messages = as_messages(conversation, encoder.renderer)
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=cue, return_dict=False)
    return list(ids)
