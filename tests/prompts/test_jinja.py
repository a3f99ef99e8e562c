"""The chat template that others apply gives the token ids that training and generation see."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.prompts.encoding import Encoder, make_encoder
from calque.prompts.jinja import as_messages, chat_template
from calque.prompts.render import template_names
from calque.records import Conversation, Message

THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DATED = (
    "{{ strftime_now('%d %b %Y') }}{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TOKENIZERS = ("bytes", "bytes-bos", "bytes-blank", "pieces", "pieces-first")
WORDS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cn"]), min_size=1, max_size=12
).filter(
    lambda text: text == text.strip() and not any(name in text for name in ("<unk>", "<s>", "</s>", "<|im"))
)


def tokenizer(foundry: Any, kind: str) -> Any:
    """Those of the foundry; and byte-level with a blank before each text, and pieces with one before the first alone."""
    from tokenizers import decoders, pre_tokenizers

    made = foundry.tokenizer({"bytes-blank": "bytes", "pieces-first": "pieces"}.get(kind, kind))
    if kind == "bytes-blank":
        made.backend_tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    if kind == "pieces-first":
        made.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
        made.backend_tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    return made


def theirs(encoder: Encoder, conversation: Conversation, *, cue: bool, language: str = "en") -> list[int]:
    """The ids by the chat template, as anyone gets them."""
    encoder.tokenizer.chat_template = chat_template(encoder, language)
    messages = as_messages(conversation, encoder.renderer)
    return list(encoder.tokenizer.apply_chat_template(messages, add_generation_prompt=cue, return_dict=False))


def user(text: str, material: str = "", code: str = "en") -> Message:
    return Message("user", text, code, material)


def answer(text: str, code: str = "it") -> Message:
    return Message("assistant", text, code, trained=True)


CONVERSATIONS: list[Conversation] = [
    (user("Where is the dog?"), answer("in the wood")),
    (user("Where?", "the dog is in the wood"), answer("in the wood")),
    (user("Where?"), answer("in town"), user("And the cat?", "the cat is on the mountain"), answer("on the mountain")),
    (Message("system", "Say it in Italian.", "en"), user("Where?"), answer("nel bosco"), user("E ora?"), answer("sul monte")),
    (user("braces {text} {input} {{ x }} {% y %}"), answer("'quotes' \"here\" \\ and a\nnew line")),
    (user("what"), answer("42")),
    (user("what"), answer("(no)"), user("日本語で"), answer("はい")),
]  # fmt: skip


@pytest.mark.parametrize("template", template_names())
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_every_packaged_template_gives_the_ids_of_training(foundry: Any, kind: str, template: str) -> None:
    encoder = make_encoder(tokenizer(foundry, kind), template)
    for conversation in CONVERSATIONS:
        (ours,) = encoder.encode([conversation])
        assert theirs(encoder, conversation, cue=False) == ours.ids
        (prompt,) = encoder.encode_prompts([conversation[:-1]])
        assert theirs(encoder, conversation[:-1], cue=True) == prompt


def test_literal_text(foundry: Any) -> None:
    encoder = make_encoder(foundry.tokenizer("bytes"), "plain")
    encoder.tokenizer.chat_template = chat_template(encoder)
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "me"}]
    assert encoder.tokenizer.apply_chat_template(turns, tokenize=False) == "Who?\n\nme</s>"
    asked = [*turns, {"role": "user", "content": "Who?", "input": "it is you"}]
    told = encoder.tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert told == "Who?\n\nme</s>\n\nWho?\nit is you\n\n"


@settings(max_examples=60)
@given(
    turns=st.lists(st.tuples(WORDS, st.one_of(st.just(""), WORDS), WORDS), min_size=1, max_size=3),
    kind=st.sampled_from(["bytes", "bytes-bos", "bytes-blank"]),
    template=st.sampled_from(template_names()),
)
def test_any_text_in_a_byte_level_vocabulary(
    foundry: Any, turns: list[tuple[str, str, str]], kind: str, template: str
) -> None:
    encoder = make_encoder(tokenizer(foundry, kind), template)
    conversation = tuple(m for text, material, reply in turns for m in (user(text, material), answer(reply)))
    (prompt,) = encoder.encode_prompts([conversation[:-1]])
    assert theirs(encoder, conversation[:-1], cue=True) == prompt
    (ours,) = encoder.encode([conversation])
    assert theirs(encoder, conversation, cue=False) == ours.ids


@pytest.mark.parametrize("code", ["it", "zh", "fi"])
def test_the_wording_in_the_language_of_the_request(foundry: Any, code: str) -> None:
    encoder = make_encoder(foundry.tokenizer("bytes"), "alpaca", "prompt")
    conversation = (user("x", "y", code), answer("z", code))
    (ours,) = encoder.encode([conversation])
    assert theirs(encoder, conversation, cue=False) == ours.ids
    encoder.tokenizer.chat_template = chat_template(encoder, code)
    silent = [{"role": "user", "content": "x", "input": "y"}]  # as others ask, who say no language
    (prompt,) = encoder.encode_prompts([conversation[:1]])
    ids = encoder.tokenizer.apply_chat_template(silent, add_generation_prompt=True, return_dict=False)
    assert list(ids) == prompt


@pytest.mark.parametrize("own", [THINKING, DATED])
@pytest.mark.parametrize("kind", ["bytes", "bytes-bos"])
def test_a_model_s_own_template_stays_with_what_generation_adds_to_it(
    foundry: Any, own: str, kind: str
) -> None:
    encoder = make_encoder(foundry.tokenizer(kind, own), "chat")
    template = chat_template(encoder)
    for conversation in (CONVERSATIONS[0], CONVERSATIONS[1]):
        (prompt,) = encoder.encode_prompts([conversation[:-1]])
        messages = as_messages(conversation[:-1], encoder.renderer)
        ids = encoder.tokenizer.apply_chat_template(
            messages, add_generation_prompt=True, return_dict=False, chat_template=template
        )
        assert list(ids) == prompt


def test_an_unknown_role_is_refused(foundry: Any) -> None:
    from jinja2 import TemplateError

    encoder = make_encoder(foundry.tokenizer("bytes"), "plain")
    encoder.tokenizer.chat_template = chat_template(encoder)
    with pytest.raises(TemplateError, match="roles are system, user and assistant, not tool"):
        encoder.tokenizer.apply_chat_template([{"role": "tool", "content": "x"}])
