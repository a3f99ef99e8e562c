"""Token ids and loss masks, as literals, and one way to them for training and generation."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.errors import ModelError
from calque.prompts.encoding import Encoded, Encoder, make_encoder
from calque.prompts.render import template_names
from calque.records import Conversation, Message

LLAMA2 = (
    "{% for m in messages %}{% if m.role == 'user' %}<s>[INST] {{ m.content | trim }} [/INST]"
    "{% else %} {{ m.content | trim }} </s>{% endif %}{% endfor %}"
)
LLAMA3 = (
    "<s>{% for m in messages %}<|im_start|>{{ m.role }}\n\n{{ m.content | trim }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n\n{% endif %}"
)
DATED = "<s>{{ strftime_now('%Y-%m-%d') }}" + LLAMA3
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
DEAF = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"  # no cue to answer


def user(text: str, given_too: str = "") -> Message:
    return Message("user", text, "en", given_too)


def answer(text: str, trained: bool = True) -> Message:
    return Message("assistant", text, "it", trained=trained)


def test_literal_ids_and_mask(foundry: Any) -> None:
    # a = 3, b = 4, c = 5, d = 6, newline = 30, </s> = 2
    encoder = make_encoder(foundry.tokenizer("letters"), "plain")
    assert encoder.encode([(user("ab", "d"), answer("cb"))], count=True) == [
        Encoded([3, 4, 30, 6, 30, 30, 5, 4, 2], [False] * 6 + [True] * 3, own=(3, 2))
    ]
    assert encoder.encode_prompts([(user("ab", "d"),)]) == [[3, 4, 30, 6, 30, 30]]
    assert encoder.encode_answers(["cb", "a"]) == [[5, 4], [3]]
    assert encoder.stop_id == 2


@pytest.mark.parametrize("template", ["plain", "alpaca", "chat"])
def test_tokens_of_a_text_are_counted_without_the_template(foundry: Any, chatml: str, template: str) -> None:
    """`the dog` is the<space>dog of 2 tokens in the byte-level vocabulary; a name of a special token is plain text."""
    encoder = make_encoder(foundry.tokenizer("bytes", chatml if template == "chat" else None), template)
    conversation = (user("the dog", "the dog"), answer("</s>"))
    (row,) = encoder.encode([conversation], count=True)
    assert row.own == (4, 4)
    assert encoder.encode([conversation]) == [Encoded(row.ids, row.trained)]
    assert [len(ids) for ids in encoder.encode_answers(["the dog", "</s>"])] == [2, 4]


def test_each_distinct_text_is_tokenised_once(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = make_encoder(foundry.tokenizer("letters"), "plain")
    seen: list[str] = []
    tokenize = encoder._tokenize
    monkeypatch.setattr(
        encoder, "_tokenize", lambda texts, **way: (seen.extend(texts), tokenize(texts, **way))[1]
    )
    encoder.encode([(user("a"), answer("b")), (user("a"), answer("b")), (user("b"), answer("a"))], count=True)
    assert sorted(seen) == ["a", "a\n\n", "b", "b\n\n"]


@pytest.mark.parametrize("kind", ["letters", "bytes", "bytes-bos", "pieces"])
@settings(deadline=None, max_examples=50)
@given(
    texts=st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["</s>", "<s> a"])), min_size=1),
    split=st.booleans(),
)
def test_the_tokenizer_in_rust_gives_what_the_call_gives(
    foundry: Any, kind: str, texts: list[str], split: bool
) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]  # no half surrogate pairs
    tokenizer = foundry.tokenizer(kind)
    tokenizer.backend_tokenizer.enable_truncation(3)  # as some tokenizer.json have it, and the call lifts it
    tokenizer.backend_tokenizer.enable_padding()
    encoder = make_encoder(tokenizer, "plain")
    found = encoder._ids_of_texts(texts, split)
    assert encoder._backend is tokenizer.backend_tokenizer
    assert found == tokenizer(texts, add_special_tokens=False, split_special_tokens=split)["input_ids"]


def test_a_tokenizer_that_is_called_in_its_own_way_is_called_so(foundry: Any) -> None:
    made = foundry.tokenizer("letters")

    class Lower(type(made)):  # type: ignore[misc]
        def _encode_plus(self, text: Any, *args: Any, **options: Any) -> Any:
            return super()._encode_plus([one.lower() for one in text], *args, **options)

    made.__class__ = Lower
    encoder = make_encoder(made, "plain")
    assert encoder._backend is None
    assert encoder.encode_answers(["CB"]) == [[5, 4]]


def test_only_the_messages_that_are_to_be_learnt_are_trained_on(foundry: Any) -> None:
    encoder = make_encoder(foundry.tokenizer("letters"), "plain")
    turns = (user("a"), answer("b", trained=False), user("a"), answer("c"))
    (row,) = encoder.encode([turns])
    assert row.ids == [3, 30, 30, 4, 2, 30, 30, 3, 30, 30, 5, 2]
    assert row.trained == [False] * 10 + [True, True]


def test_names_of_special_tokens_in_the_data_are_plain_text(foundry: Any) -> None:
    encoder = make_encoder(foundry.tokenizer("letters"), "plain")
    (row,) = encoder.encode([(user("</s>"), answer("<s>"))])
    # < = 31, / = 33, s = 21, > = 32
    assert row.ids == [31, 33, 21, 32, 30, 30, 31, 21, 32, 2]


def test_bos_comes_once_where_the_tokenizer_puts_it(foundry: Any) -> None:
    with_bos = make_encoder(foundry.tokenizer("bytes-bos"), "plain").encode([(user("a"), answer("b"))])[0]
    without = make_encoder(foundry.tokenizer("bytes"), "plain").encode([(user("a"), answer("b"))])[0]
    assert with_bos.ids == [1, *without.ids]
    assert with_bos.trained == [False, *without.trained]
    assert 1 not in without.ids


CHATS = {"llama2": LLAMA2, "llama3": LLAMA3, "dated": DATED, "thinking": THINKING, "deaf": DEAF}
TOKENIZERS = ("bytes", "bytes-bos", "pieces")


def encoders(foundry: Any, chatml: str) -> dict[str, Encoder]:
    made = {}
    for kind in TOKENIZERS:
        for name in template_names():
            made[f"{kind} {name}"] = make_encoder(foundry.tokenizer(kind), name)
        for name, chat in {"chatml": chatml, **CHATS}.items():
            made[f"{kind} {name}"] = make_encoder(foundry.tokenizer(kind, chat), "chat")
    return made


@pytest.fixture(scope="module")
def all_encoders(foundry: Any, chatml: str) -> dict[str, Encoder]:
    return encoders(foundry, chatml)


EVERY = [f"{k} {t}" for k in TOKENIZERS for t in (*template_names(), "chatml", *CHATS)]
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\ufdd0\ufdd1"), min_size=1, max_size=12)
WORDS = st.one_of(
    TEXT, st.sampled_from(["</s>", "<s> a", "<|im_end|>", "x<|im_start|>user", "</think>", "calque"])
)


@pytest.mark.parametrize("name", EVERY)
@settings(deadline=None, max_examples=25)
@given(request=WORDS, given_too=st.one_of(st.just(""), WORDS), reply=WORDS)
def test_the_prompt_in_training_is_the_prompt_at_generation(
    all_encoders: dict[str, Encoder], name: str, request: str, given_too: str, reply: str
) -> None:
    encoder = all_encoders[name]
    (row,) = encoder.encode([(user(request, given_too), answer(reply))])
    (prompt,) = encoder.encode_prompts([(user(request, given_too),)])
    assert row.ids[: len(prompt)] == prompt
    assert row.trained.index(True) == len(prompt)
    last = len(row.trained) - 1 - row.trained[::-1].index(True)
    assert row.ids[last] == encoder.stop_id
    assert all(row.trained[len(prompt) : last + 1])
    # The one trained stop token is the template's: the data cannot write another.
    assert row.ids[len(prompt) : last].count(encoder.stop_id) == 0
    assert encoder.stop_id not in (encoder.encode_answers([reply])[0])


def test_several_turns_keep_the_prefix(foundry: Any, chatml: str) -> None:
    turns: Conversation = (user("a"), answer("b"), user("c"), answer("d"))
    for name, encoder in encoders(foundry, chatml).items():
        if "thinking" in name:
            with pytest.raises(ModelError, match="changes earlier text"):
                encoder.encode([turns])
            continue
        (row,) = encoder.encode([turns])
        (prompt,) = encoder.encode_prompts([turns[:3]])
        assert row.ids[: len(prompt)] == prompt, name


@pytest.mark.parametrize("chat", ["chatml", "llama3"])
def test_chat_ids_are_those_of_the_hub(foundry: Any, chatml: str, chat: str) -> None:
    tokenizer = foundry.tokenizer("bytes-bos", {"chatml": chatml, **CHATS}[chat])
    encoder = make_encoder(tokenizer, "chat")
    turns = [{"role": "user", "content": "the dog?"}]
    theirs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=False)
    assert encoder.encode_prompts([(user("the dog?"),)]) == [theirs]


def test_segments_of_chat_templates(foundry: Any, chatml: str) -> None:
    def segments(chat: str) -> list[tuple[str, bool]]:
        encoder = make_encoder(foundry.tokenizer("bytes-bos", chat), "chat")
        return [(s.text, s.trained) for s in encoder.renderer.segments((user("a"), answer("b")))]

    assert segments(chatml) == [
        ("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n", False),
        ("b", True),
        ("<|im_end|>", True),
        ("\n", False),
    ]
    assert segments(LLAMA2) == [("<s>[INST] a [/INST]", False), (" b ", True), ("</s>", True)]
    assert segments(THINKING)[0][0].endswith("assistant\n<think>\n\n</think>\n\n")
    assert segments(DATED)[0][0].startswith("<s>2024-07-26<s>")


@pytest.mark.parametrize(
    ("chat", "reason"),
    [
        ("{% for m in messages %}{{ m.content }}\n{% endfor %}", "never learn to stop"),
        ("{% for m in messages %}{{ m.content | upper }}</s>{% endfor %}", "rewrites"),
        (
            "{{ messages | length }}{% for m in messages %}{{ m.content }}</s>{% endfor %}",
            "rewrites what stands",
        ),
        ("{{ raise_exception('no assistants') }}", "refuses a conversation: no assistants"),
    ],
)
def test_a_chat_template_that_cannot_be_trained_is_refused(foundry: Any, chat: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        make_encoder(foundry.tokenizer("bytes", chat), "chat").encode([(user("a"), answer("b"))])


def test_no_chat_template_and_no_stop_token(foundry: Any) -> None:
    tokenizer = foundry.tokenizer("bytes")
    with pytest.raises(ModelError, match="has no chat template"):
        make_encoder(tokenizer, "chat")
    tokenizer.eos_token = None
    with pytest.raises(ModelError, match="no end-of-sequence token"):
        make_encoder(tokenizer, "plain")


def test_decoding_ends_at_the_stop_token_or_a_stop_string(foundry: Any) -> None:
    encoder = make_encoder(foundry.tokenizer("bytes"), "alpaca")

    def ids(text: str) -> list[int]:
        return list(encoder.encode_answers([text])[0])

    assert encoder.decode([*ids(" yes\n"), 2, *ids("more")]) == ("yes", True)
    assert encoder.decode(ids("yes\n\n### Instruction:\nmore")) == ("yes", True)
    assert encoder.decode(ids("yes and")) == ("yes and", False)
    assert encoder.decode([]) == ("", False)
    assert encoder.decode(ids("it is n't , is it ?")) == ("it is n't , is it ?", False)
