"""Rows that enter and leave: each answer is what its prompt alone gets, whatever stands beside it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from calque.engines import Sampling
from calque.engines.columns import Columns
from calque.engines.decode import Decoder, make_decoder
from calque.engines.loading import ModelFiles, load_model
from calque.engines.passes import make_passes
from calque.engines.stems import Stems
from calque.engines.transformers_engine import TransformersEngine
from calque.prompts.encoding import make_encoder
from calque.records import Message

NEVER = -1  # no token has this id


def prompts(count: int) -> list[list[int]]:
    """Of 1 to 30 tokens, in no order."""
    return [[3 + (7 * i + 5 * j) % 200 for j in range(1 + (11 * i) % 30)] for i in range(count)]


def decoder(foundry: Any, architecture: str, stop_id: int = NEVER) -> Decoder:
    model = load_model(ModelFiles("m", foundry.model(architecture, "bytes-bos")), dtype=torch.float32)
    made = make_decoder(model, stop_id)
    assert made is not None
    return made


def plain(made: Decoder, prompt: list[int], limit: int) -> list[int]:
    """Greedy, token by token, without a cache."""
    written: list[int] = []
    with torch.no_grad():
        while len(written) < limit and made.stop_id not in written:
            ids = torch.tensor([prompt + written])
            written.append(int(made.model(ids, use_cache=False).logits[0, -1].argmax()))
    return written


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
def test_refilled_rows_are_greedy(foundry: Any, architecture: str) -> None:
    """Some 20 prompts through 3 places or so; one token that is often written ends an answer."""
    made = decoder(foundry, architecture)
    asked = prompts(20)
    often = [token for prompt in asked for token in plain(made, prompt, 9)[3:]]
    made.stop_id = max(set(often), key=often.count)
    found = dict(made.answers(asked, 9, 120))
    assert found == {i: plain(made, prompt, 9) for i, prompt in enumerate(asked)}
    lengths = {len(written) for written in found.values()}
    assert 9 in lengths
    assert min(lengths) < 9


def test_columns_are_moved_when_they_run_out(foundry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = decoder(foundry, "llama")
    monkeypatch.setattr("calque.engines.decode.SPARE", 1)
    moved: list[int] = []
    shift = Columns._shift

    def counted(self: Columns) -> None:
        moved.append(self.first)
        shift(self)

    monkeypatch.setattr(Columns, "_shift", counted)
    asked = prompts(12)
    # rows end at unequal times, so that some always stand: the limit differs by what ends them
    made.stop_id = plain(made, asked[0], 4)[-1]
    found = dict(made.answers(asked, 12, 150))
    assert found == {i: plain(made, prompt, 12) for i, prompt in enumerate(asked)}
    assert all(first > 0 for first in moved)


def test_after_columns_are_moved_a_longer_prompt_finds_room(
    foundry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that begin like the longest prompt come before others that are longer than they are."""
    model = load_model(ModelFiles("m", foundry.model("llama", "bytes-bos")), dtype=torch.float32)
    made = make_decoder(model, NEVER, make_passes(model))
    assert made is not None
    monkeypatch.setattr("calque.engines.decode.SPARE", 1)
    longest = [3 + (5 * j) % 60 for j in range(40)]
    short = [[*longest[:14], 100 + i, *(70 + (i * j) % 50 for j in range(i % 3))] for i in range(19)]
    others = [[200 + i, *(3 + 7 * j * (i + 2) % 200 for j in range(35))] for i in range(3)]
    written = [plain(made, prompt, 12) for prompt in (longest, *short, *others)]
    often = [token for ids in written for token in ids[3:]]
    made.stop_id = max(set(often), key=often.count)
    for count in range(4, len(short) + 1):
        asked = [longest, *short[:count], *others]
        found = dict(made.answers(asked, 12, 3 * 52))
        for i, ids in enumerate([*written[: count + 1], *written[-len(others) :]]):
            end = ids.index(made.stop_id) + 1 if made.stop_id in ids else 12
            assert found[i] == ids[:end]


def families() -> list[list[int]]:
    """Six families of up to twenty prompts that have 20 to 33 tokens in common, and three prompts that are alone, in no order."""
    made = []
    for family in range(6):
        stem = [3 + (7 * family + 5 * j) % 190 for j in range(20 + 13 * (family % 2))]
        many = 20 if family == 2 else 2 + family
        made += [[*stem, 200 + i, *(3 + (i * j) % 150 for j in range(i % 9))] for i in range(many)]
    made += [[220 + i, *(3 + 7 * j * (i + 2) % 200 for j in range(12 + 9 * i))] for i in range(3)]
    return [made[(17 * i) % len(made)] for i in range(len(made))]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "gpt2"])
def test_rows_that_share_stems_are_greedy(
    foundry: Any, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stems are entered, joined, left and moved while others go on."""
    model = load_model(ModelFiles("m", foundry.model(architecture, "bytes-bos")), dtype=torch.float32)
    made = make_decoder(model, NEVER, make_passes(model))
    assert made is not None
    assert made.shares
    monkeypatch.setattr("calque.engines.decode.SPARE", 2)
    seen: list[tuple[int, int]] = []
    keep = Stems.keep

    def counted(self: Stems, standing: list[int]) -> None:
        before = len(self.stems)
        keep(self, standing)
        seen.append((before, len(self.stems)))

    monkeypatch.setattr(Stems, "keep", counted)
    asked = families()
    assert len(asked) == 46
    often = [token for prompt in asked for token in plain(made, prompt, 8)[2:]]
    made.stop_id = max(set(often), key=often.count)
    wanted = {i: plain(made, prompt, 8) for i, prompt in enumerate(asked)}
    assert {len(ids) for ids in wanted.values()} >= {8}
    for places in (1, 3, 10, 40):
        seen.clear()
        assert dict(made.answers(asked, 8, places * 60)) == wanted
        assert seen
        assert places == 1 or any(after < before for before, after in seen)
    sampling = Sampling(temperature=0.8, top_k=50, seed=3)
    drawn = dict(made.answers(asked, 8, 600, sampling))
    made.shares = False
    assert dict(made.answers(asked, 8, 600, sampling)) == drawn


def test_an_attention_out_of_the_ordinary_shares_nothing(
    foundry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(ModelFiles("m", foundry.model("llama", "bytes-bos")), dtype=torch.float32)
    monkeypatch.setattr("calque.engines.columns.out_of_the_ordinary", lambda _: True)
    made = make_decoder(model, NEVER, make_passes(model))
    assert made is not None
    assert not made.shares


def test_columns_by_hand() -> None:
    """Two rows of 3 and 1 tokens, one more column, the first row leaves, a row of 2 enters."""
    columns = Columns(2, 5, torch.float32, torch.device("cpu"))

    def ran(values: list[list[float]]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        tensor = torch.tensor(values)[:, None, :, None]
        return [(tensor, -tensor)]

    def newest(values: list[float]) -> tuple[list[Any], list[Any]]:
        columns.advance()
        tensor = torch.tensor(values)[:, None, None, None]
        keys, found = columns.update(tensor, -tensor, 0)
        assert torch.equal(keys, -found)
        hidden = columns.mask()[:, 0, 0] < 0
        return keys[:, 0, :, 0].masked_fill(hidden, 0).tolist(), columns.starts

    columns.enter(ran([[1, 2, 3], [0, 0, 4]]), [3, 1])
    assert newest([5, 6]) == ([[1, 2, 3, 5], [0, 0, 4, 6]], [0, 2])
    assert columns.keep([1]) == [1]
    columns.enter(ran([[7, 8]]), [2])
    assert newest([9, 10]) == ([[4, 6, 9], [7, 8, 10]], [2, 2])
    assert newest([11, 12]) == ([[4, 6, 9, 11], [7, 8, 10, 12]], [0, 0])  # moved to the left


def test_drawn_answers_do_not_depend_on_what_runs_beside(foundry: Any) -> None:
    made = decoder(foundry, "llama")
    asked = prompts(8)
    sampling = Sampling(temperature=0.8, top_k=50, seed=3)
    together = dict(made.answers(asked, 8, 90, sampling))
    alone = {i: next(made.answers([prompt], 8, 90, sampling))[1] for i, prompt in enumerate(asked)}
    assert together == alone
    assert together != dict(made.answers(asked, 8, 90))


def test_a_model_whose_attention_is_its_own_is_left_to_generate(foundry: Any) -> None:
    files = ModelFiles("m", foundry.model("llama", "bytes-bos"))
    model = load_model(files, dtype=torch.float32)
    model.set_attn_implementation("eager")
    assert make_decoder(model, NEVER) is None
    from calque.engines.loading import load_tokenizer

    engine = TransformersEngine(model, make_encoder(load_tokenizer(files), "plain"), "m")
    fast = TransformersEngine(load_model(files, dtype=torch.float32), engine.encoder, "m")
    assert fast.decoder is not None
    asked = [(Message("user", text, "en"),) for text in ("the dog", "a", "where is the cat?")]
    assert engine.complete(asked, max_new_tokens=8) == fast.complete(asked, max_new_tokens=8)


def test_a_model_that_gives_other_logits_is_left_as_it_was(foundry: Any) -> None:
    """One whose attention adds what the interface does not see, here noise by call."""
    model = load_model(ModelFiles("m", foundry.model("llama", "bytes-bos")), dtype=torch.float32)
    calls: list[int] = []
    head = model.lm_head.forward

    def noisy(hidden: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        logits: torch.Tensor = head(hidden) + len(calls)
        return logits

    model.lm_head.forward = noisy
    assert make_decoder(model, NEVER) is None
    assert model.config._attn_implementation == "sdpa"
