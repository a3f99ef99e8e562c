"""An answer in pieces is the answer that the engine gives, and what was read before is not read again."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
import torch

from calque.engines import Completion, Sampling
from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.streaming import Writer
from calque.engines.transformers_engine import TransformersEngine
from calque.prompts.encoding import make_encoder
from calque.records import Conversation, Message

ASK = ["the dog", "where is the cat in the wood and on the mountain?", "la mucca", "日本語 🦊", "a"]


def user(text: str) -> Message:
    return Message("user", text, "en")


def parts(foundry: Any, architecture: str, template: str = "plain") -> tuple[Any, Any]:
    files = ModelFiles("m", foundry.model(architecture, "bytes-bos"))
    return load_model(files, dtype=torch.float32), make_encoder(load_tokenizer(files), template)


def written(pieces: Generator[str, None, Completion]) -> tuple[list[str], Completion]:
    """All pieces, and what the generator ends with."""
    found: list[str] = []
    while True:
        try:
            found.append(next(pieces))
        except StopIteration as ended:
            return found, ended.value


@pytest.mark.parametrize("sampling", [None, Sampling(0.8, 0.9, 40, 3)])
@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
def test_pieces_make_up_the_answer_of_the_engine(
    foundry: Any, architecture: str, sampling: Sampling | None
) -> None:
    writer = Writer(*parts(foundry, architecture))
    engine = TransformersEngine(*parts(foundry, architecture), "m")
    asked = [(user(text),) for text in ASK]
    wanted = engine.complete(asked, max_new_tokens=16, sampling=sampling)
    for conversation, completion in zip(asked, wanted, strict=True):
        found, done = written(writer.write(conversation, max_new_tokens=16, sampling=sampling))
        assert done == completion
        assert "".join(found) == completion.text
        assert done.prompt_tokens == len(writer.encoder.encode_prompts([conversation])[0])
    assert any(completion.tokens > 1 for completion in wanted)


def test_what_was_read_before_is_not_read_again(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, encoder = parts(foundry, "llama")
    writer, fresh = Writer(model, encoder), Writer(model, encoder)
    conversation: Conversation = (user("where is the cat in the wood?"),)
    _, first = written(writer.write(conversation, max_new_tokens=8))
    conversation = (*conversation, Message("assistant", first.text, "en"), user("the dog"))
    _, wanted = written(fresh.write(conversation, max_new_tokens=8))
    read: list[int] = []
    forward = model.forward
    monkeypatch.setattr(
        model, "forward", lambda **given: (read.append(given["input_ids"].shape[1]), forward(**given))[1]
    )
    _, second = written(writer.write(conversation, max_new_tokens=8))
    assert second == wanted
    assert 0 < read[0] < len(encoder.encode_prompts([conversation])[0]) - 5
    assert set(read[1:]) <= {1}
    read.clear()
    _, other = written(writer.write((user("Z"),), max_new_tokens=8))  # nothing in common but the beginning
    assert other == written(fresh.write((user("Z"),), max_new_tokens=8))[1]


def test_the_head_runs_on_the_newest_token_alone(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits of a whole prompt would fill gigabytes."""
    model, encoder = parts(foundry, "llama")
    rows: list[int] = []
    head = model.lm_head.forward
    monkeypatch.setattr(
        model.lm_head, "forward", lambda hidden: (rows.append(hidden.shape[1]), head(hidden))[1]
    )
    written(Writer(model, encoder).write((user("where is the cat in the wood?"),), max_new_tokens=4))
    assert set(rows) == {1}


def bend(monkeypatch: pytest.MonkeyPatch, writer: Writer, text: str) -> None:
    """Make the model write the tokens of `text`, and then the stop token."""
    tokens = [*writer.encoder.tokenizer(text, add_special_tokens=False)["input_ids"], writer.encoder.stop_id]
    size, left = len(writer.encoder.tokenizer), iter(tokens)
    monkeypatch.setattr(
        writer, "_next", lambda _: torch.nn.functional.one_hot(torch.tensor([next(left)]), size).float()
    )


def test_characters_come_whole(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(*parts(foundry, "llama"))
    bend(monkeypatch, writer, "日本 🦊 ok")  # three and four tokens a character in this vocabulary
    found, done = written(writer.write((user("a"),), max_new_tokens=64))
    assert "".join(found) == done.text == "日本 🦊 ok"
    assert not any("\ufffd" in piece for piece in found)
    assert found[:2] == ["日", "本"]


def test_nothing_of_a_stop_string_is_shown(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(*parts(foundry, "llama", "alpaca"))
    bend(monkeypatch, writer, "yes ## no\n\n### Instruction:\nmore")
    found, done = written(writer.write((user("a"),), max_new_tokens=64))
    assert "".join(found) == done.text == "yes ## no"
    assert done.finished


def test_a_stopped_answer_leaves_the_writer_usable(foundry: Any) -> None:
    writer = Writer(*parts(foundry, "llama"))
    pieces = writer.write((user("the dog"),), max_new_tokens=32)
    next(pieces)
    pieces.close()
    again = written(writer.write((user("the dog"),), max_new_tokens=8))
    assert again == written(Writer(writer.model, writer.encoder).write((user("the dog"),), max_new_tokens=8))
