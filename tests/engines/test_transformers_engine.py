"""Answers in batches equal answers one by one; log-likelihoods equal those worked out from the logits."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
import torch
from transformers import LlamaConfig

from calque.engines.loading import ModelFiles, find_model, load_model, load_tokenizer
from calque.engines.transformers_engine import TransformersEngine, tokens_for
from calque.prompts.encoding import make_encoder
from calque.records import Demonstration, Message, Provenance
from calque.tuning.adapt import load_tuned
from calque.tuning.encode import encode_demonstrations
from calque.tuning.loop import tune
from calque.tuning.settings import TuningSettings

ASK = [
    "the dog",
    "where is the cat in the wood and on the mountain?",
    "la mucca",
    "a",
    "the wolf is in town\nnow",
]


def engine(foundry: Any, architecture: str = "llama", template: str = "plain", **options: Any) -> Any:
    chat = options.pop("chat", None)
    files = ModelFiles("m", foundry.model(architecture, options.pop("tokenizer", "bytes-bos"), chat))
    model = load_model(files, dtype=torch.float32)
    encoder = make_encoder(load_tokenizer(files), template)
    return TransformersEngine(model, encoder, "m", **options)


def ask(text: str) -> tuple[Message, ...]:
    return (Message("user", text, "en"),)


def greedy(made: Any, text: str, limit: int) -> list[int]:
    """One answer, token by token, without a cache."""
    (ids,) = made.encoder.encode_prompts([ask(text)])
    written: list[int] = []
    with torch.no_grad():
        while len(written) < limit:
            token = int(made.model(torch.tensor([ids + written]), use_cache=False).logits[0, -1].argmax())
            if token == made.stop_id:
                break
            written.append(token)
    return written


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
def test_answers_are_greedy_and_do_not_depend_on_the_batch(foundry: Any, architecture: str) -> None:
    made = engine(foundry, architecture)
    together = made.complete([ask(text) for text in ASK], max_new_tokens=12)
    for text, answer in zip(ASK, together, strict=True):
        written = greedy(made, text, 12)
        assert answer.text == made.encoder.decode(written)[0]
        assert answer.tokens == len(written)
        assert answer.finished == (len(written) < 12)
        assert made.complete([ask(text)], max_new_tokens=12) == [answer]
    assert len({answer.text for answer in together}) > 1


def bend(made: Any, tokens: list[int]) -> None:
    """Make the model write `tokens`, one at a call, and the last of them ever after."""

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(*hidden.shape[:2], len(made.encoder.tokenizer))
        logits[:, -1, tokens[min(made.calls, len(tokens) - 1)]] = 9.0
        made.calls += 1
        return logits

    made.calls = 0
    made.model.lm_head.forward = forward


def test_what_the_model_s_own_folder_asks_for_does_not_count(foundry: Any) -> None:
    plain = engine(foundry)
    plain.model.generation_config.update(do_sample=True, temperature=3.0, no_repeat_ngram_size=1, num_beams=2)
    made = TransformersEngine(plain.model, plain.encoder, "m")
    bend(made, made.encoder.encode_answers(["z"])[0])
    assert made.complete([ask("a")], max_new_tokens=4)[0].text == "zzzz"


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_tuned_model_answers_through_its_adapter(
    foundry: Any, tmp_path: Path, method: Literal["lora", "full"]
) -> None:
    """Tuned until it knows one answer by heart; then asked."""
    files = ModelFiles("m", foundry.model("llama", "bytes-bos"))
    encoder = make_encoder(load_tokenizer(files), "plain")
    messages = (*ask("the dog"), Message("assistant", "nel bosco", "it", trained=True))
    rows = [Demonstration("instruction", messages, Provenance("rows", 1))]
    encoded = encode_demonstrations(rows, encoder, max_tokens=64, overlong="error").arrays()
    settings = TuningSettings(method=method, epochs=40, learning_rate=0.02, precision="fp32")
    tune(files, encoded, settings, seed=0, folder=tmp_path, fingerprint={})
    if method == "full":
        model = load_model(find_model(str(tmp_path / "model")), dtype=torch.float32)
    else:
        model = load_tuned(load_model(files, dtype=torch.float32), tmp_path)
    made = TransformersEngine(model, encoder, "m")
    (answer,) = made.complete([ask("the dog")], max_new_tokens=20)
    assert (answer.text, answer.finished) == ("nel bosco", True)


def test_the_stop_token_ends_an_answer(foundry: Any) -> None:
    made = engine(foundry)
    word = made.encoder.encode_answers(["dog"])[0]
    bend(made, [*word, made.stop_id, *word])
    (answer,) = made.complete([ask("a")], max_new_tokens=20)
    assert (answer.text, answer.tokens, answer.finished) == ("dog", len(word), True)


def test_the_limit_cuts_an_answer_off(foundry: Any) -> None:
    made = engine(foundry)
    bend(made, made.encoder.encode_answers(["z"])[0])
    (answer,) = made.complete([ask("a")], max_new_tokens=5)
    assert (answer.text, answer.tokens, answer.finished) == ("zzzzz", 5, False)


def test_a_stop_string_ends_an_answer(foundry: Any) -> None:
    made = engine(foundry, template="alpaca")
    written = made.encoder.encode_answers(["dog\n### Instruction:\ncat"])[0]
    bend(made, written)
    (answer,) = made.complete([ask("a")], max_new_tokens=len(written))
    assert (answer.text, answer.finished) == ("dog", True)


def test_a_prompt_that_does_not_fit_stays_unanswered(foundry: Any) -> None:
    made = engine(foundry, "gpt2")  # reads 256 tokens
    long = ask("z" * 260)
    done: list[int] = []
    short, none = made.complete([ask("a"), long], max_new_tokens=4, progress=done.append)
    assert (none.text, none.tokens, none.finished) == ("", 0, False)
    assert short.tokens > 0
    assert sum(done) == 2
    done.clear()
    scores = made.choose([long, ask("a")], [("A", "B"), ("A", "B")], progress=done.append)
    assert scores[0] == ()
    assert len(scores[1]) == 2
    assert sum(done) == 2


def by_hand(made: Any, text: str, choice: str) -> float:
    """The sum of the log-probabilities of a choice's tokens behind the prompt, one forward pass, no padding."""
    (ids,) = made.encoder.encode_prompts([ask(text)])
    (answer,) = made.encoder.encode_answers([choice])
    with torch.no_grad():
        spread = made.model(torch.tensor([ids + answer]), use_cache=False).logits[0].double().log_softmax(-1)
    return sum(float(spread[len(ids) - 1 + i, token]) for i, token in enumerate(answer))


@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
@pytest.mark.parametrize("budget", [1, 4096])
def test_choices_by_hand(foundry: Any, architecture: str, budget: int) -> None:
    made = engine(foundry, architecture, tokens_per_batch=budget)
    choices = [("A", "B", "C"), ("the dog", "A"), ("wolf", "in the wood or not"), ("D",), ("A", "zzz")]
    sizes = {c: len(made.encoder.encode_answers([c])[0]) for row in choices for c in row}
    assert sizes["A"] == 1 < sizes["the dog"]
    done: list[int] = []
    found = made.choose([ask(text) for text in ASK], choices, progress=done.append)
    for text, row, scores in zip(ASK, choices, found, strict=True):
        assert scores == pytest.approx([by_hand(made, text, choice) for choice in row], abs=1e-4)
    assert sum(done) == len(ASK)


def test_choices_of_a_uniform_model(foundry: Any) -> None:
    made = engine(foundry)
    with torch.no_grad():
        made.model.lm_head.weight.zero_()
    size = len(made.encoder.encode_answers(["the dog"])[0])
    ((one, several),) = made.choose([ask("a")], [("A", "the dog")])
    vocabulary = torch.tensor(float(made.model.config.vocab_size)).log().item()
    assert one == pytest.approx(-vocabulary, abs=1e-5)
    assert several == pytest.approx(-size * vocabulary, abs=1e-4)


def test_progress_counts_every_item(foundry: Any) -> None:
    made = engine(foundry, tokens_per_batch=64)
    done: list[int] = []
    made.complete([ask(text) for text in ASK], max_new_tokens=4, progress=done.append)
    assert sum(done) == 5
    assert len(done) > 1


def test_nothing_to_do(foundry: Any) -> None:
    made = engine(foundry)
    assert made.complete([], max_new_tokens=4) == []
    assert made.choose([], []) == []


def test_a_chat_model_answers_behind_its_own_cue(foundry: Any, chatml: str) -> None:
    made = engine(foundry, template="chat", chat=chatml, tokenizer="bytes")
    assert made.encoder.tokenizer.convert_ids_to_tokens(made.stop_id) == "<|im_end|>"
    (answer,) = made.complete([ask("the dog")], max_new_tokens=6)
    assert answer.text == made.encoder.decode(greedy(made, "the dog", 6))[0]


def test_generation_says_nothing(foundry: Any, capfd: pytest.CaptureFixture[str]) -> None:
    made = engine(foundry)
    made.complete([ask("a"), ask("the dog")], max_new_tokens=3)
    made.choose([ask("a")], [("A", "B")])
    assert capfd.readouterr() == ("", "")


def test_few_bytes_of_keys_and_values_have_more_room() -> None:
    """A token of 2 layers of 64 has 1 kB of them; of 8 layers of 1,024 64 kB, 8,192 of which are half a gigabyte; of 6 layers of 512 24 kB."""

    def room(layers: int, width: int, device: str = "cpu") -> int:
        config = LlamaConfig(num_hidden_layers=layers, hidden_size=width)
        return tokens_for(SimpleNamespace(config=config, device=torch.device(device), dtype=torch.float32))

    assert (room(2, 64), room(8, 1024), room(6, 512)) == (32768, 16384, 2**29 // (24 << 10))
    assert room(2, 64, "cuda") == 16384
    alien = SimpleNamespace(get_text_config=SimpleNamespace)
    assert tokens_for(SimpleNamespace(config=alien, device=torch.device("cpu"), dtype=torch.float32)) == 16384
