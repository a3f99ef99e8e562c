"""Rows run as a tree: what a tree is, by hand; that rows get the logits they get alone; how passes are cut."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.engines.choosing import Asked, score_in_passes
from calque.engines.decode import Decoder, make_decoder
from calque.engines.passes import Passes, Rows, common, grow, make_passes

if TYPE_CHECKING:
    from tests.conftest import Foundry


def ids(*row: int) -> Any:
    return np.array(row)


def test_a_tree_by_hand() -> None:
    tree = grow([ids(7, 8, 1, 2), ids(7, 8, 1, 3, 4), ids(7, 8, 5)], 2)
    assert tree.ids.tolist() == [1, 2, 3, 4, 5]
    assert tree.positions.tolist() == [2, 3, 3, 4, 2]
    assert [path.tolist() for path in tree.paths] == [[0, 1, 2, 3], [0, 1, 2, 4, 5], [0, 1, 6]]
    assert tree.mask is not None
    seen = [[column for column in range(7) if row[column] == 0] for row in tree.mask]
    assert seen == [[0, 1, 2], [0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 4, 5], [0, 1, 6]]
    assert set(tree.mask.ravel().tolist()) == {0.0, -math.inf}


def test_a_row_alone_needs_no_mask() -> None:
    tree = grow([ids(5, 6, 7), ids(5, 6, 7)], 0)
    assert (tree.ids.tolist(), tree.positions.tolist(), tree.mask) == ([5, 6, 7], [0, 1, 2], None)
    assert grow([ids(5, 6, 7)], 1).mask is not None


def test_a_row_that_is_there_already_adds_nothing() -> None:
    tree = grow([ids(1, 2, 3), ids(1, 2), ids(1, 2, 3)], 0)
    assert tree.ids.tolist() == [1, 2, 3, 3]  # a row shares with the one before it
    assert [path.tolist() for path in tree.paths] == [[0, 1, 2], [0, 1], [0, 1, 3]]


rows_of_tokens = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=6), min_size=1, max_size=6)


@given(rows_of_tokens)
def test_every_token_sees_its_own_row_and_nothing_else(rows: list[list[int]]) -> None:
    tree = grow([np.array(row) for row in rows], 0)
    for row, path in zip(rows, tree.paths, strict=True):
        assert tree.ids[path].tolist() == row
        assert tree.positions[path].tolist() == list(range(len(row)))
        for i, place in enumerate(path if tree.mask is not None else ()):
            assert np.flatnonzero(tree.mask[place] == 0).tolist() == path[: i + 1].tolist()


@given(st.lists(st.integers(0, 1), max_size=5), st.lists(st.integers(0, 1), max_size=5))
def test_what_two_rows_begin_with(one: list[int], other: list[int]) -> None:
    n = common(np.array(one), np.array(other))
    assert one[:n] == other[:n]
    assert n == min(len(one), len(other)) or one[n] != other[n]


@pytest.fixture(scope="module")
def model(foundry: Foundry) -> Any:
    from calque.engines.loading import find_model, load_model

    return load_model(find_model(str(foundry.model())), dtype=torch.float32)


@pytest.fixture(scope="module")
def passes(model: Any) -> Passes:
    made = make_passes(model)
    assert made is not None
    return made


def alone(model: Any, prompt: list[int], answer: list[int]) -> float:
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *answer]]), use_cache=False).logits[0].float()
    chosen = logits[len(prompt) - 1 : -1].log_softmax(-1)
    return sum(float(chosen[i, token]) for i, token in enumerate(answer))


few = st.lists(st.integers(3, 5), min_size=1, max_size=3)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), few, st.lists(few, min_size=1, max_size=3)), min_size=1, max_size=8
    ),
    st.sampled_from([8, 40, 4096]),
)
def test_in_passes_as_alone(model: Any, passes: Passes, drawn: Any, room: int) -> None:
    stem = [3 + i % 7 for i in range(30)]
    asked = [Asked([*stem[:shared], *prompt], answers) for shared, prompt, answers in drawn]
    narrow = Passes(passes.model)
    narrow.room = room
    found = dict(score_in_passes(narrow, asked, 1 << 27))
    assert sorted(found) == list(range(len(asked)))
    for i, one in enumerate(asked):
        expected = [alone(model, one.prompt, answer) for answer in one.answers]
        assert found[i] == pytest.approx(expected, abs=1e-4)


def cut(passes: Passes, *prompts: list[int], logits: int = 1 << 27) -> list[tuple[int, int, int]]:
    return list(passes.cut([Rows(len(p), [np.array(p)]) for p in prompts], logits))


def test_what_many_prompts_begin_with_is_the_trunk_of_their_passes(passes: Passes) -> None:
    narrow = Passes(passes.model)
    narrow.room = 30
    shown = list(range(100))
    prompts = [[*shown, 200 + i, *range(20)] for i in range(4)]
    assert cut(narrow, *prompts) == [(0, 1, 100), (1, 2, 100), (2, 3, 100), (3, 4, 100)]
    narrow.room = 60
    assert cut(narrow, *prompts) == [(0, 2, 100), (2, 4, 100)]
    assert cut(narrow, *([1, *range(20)], [2, *range(20)])) == [(0, 2, 0)]
    assert cut(narrow, shown, shown, [1, 2]) == [
        (0, 2, 99),
        (2, 3, 0),
    ]  # of each prompt the last token must run
    assert cut(narrow, [1, 2], [3, 4], logits=passes.vocabulary) == [(0, 1, 0), (1, 2, 0)]


def test_the_trunk_is_run_once_for_all_passes(model: Any) -> None:
    counted = Passes(model)
    counted.room = 30
    ran: list[int] = []
    forward = counted._forward
    counted._forward = lambda ids, *rest: (ran.append(len(ids)), forward(ids, *rest))[1]  # type: ignore[method-assign]
    asked = [Asked([*(3 + i % 9 for i in range(100)), 20 + i, 5, 6], [[7], [8]]) for i in range(30)]
    found = dict(score_in_passes(counted, asked, 1 << 27))
    assert ran == [100, 36, 36, 18]
    assert found[29] == pytest.approx([alone(model, asked[29].prompt, [t]) for t in (7, 8)], abs=1e-4)


@pytest.mark.parametrize("at_a_time", [60, 200, 4096])
def test_answers_behind_prompts_that_begin_alike_are_those_of_each_alone(model: Any, at_a_time: int) -> None:
    passages = [[10 + (i * p) % 50 for i in range(25)] for p in (3, 7, 11)]
    prompts = [[3, 4, 5, *passage, *(60 + q, *range(70, 70 + q))] for passage in passages for q in range(4)]
    with_passes = make_decoder(model, 2, make_passes_again(model))
    assert isinstance(with_passes, Decoder)
    assert with_passes.passes is not None
    found = dict(with_passes.answers(prompts, 6, at_a_time))
    for i, prompt in enumerate(prompts):
        row = list(prompt)
        for _ in range(6):
            with torch.inference_mode():
                row.append(int(model(torch.tensor([row]), use_cache=False).logits[0, -1].argmax()))
            if row[-1] == 2:
                break
        assert found[i] == row[len(prompt) :]


def make_passes_again(model: Any) -> Passes:
    """The decoder has put its own attention into the model; passes are made before it."""
    model.set_attn_implementation("sdpa")
    made = make_passes(model)
    assert made is not None
    return made


def test_a_model_that_cannot_be_run_so_has_no_passes() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 60,
    }
    sliding = MistralForCausalLM(MistralConfig(**sizes, num_key_value_heads=2, sliding_window=8))
    assert make_passes(sliding.eval()) is None
    eager = LlamaForCausalLM(LlamaConfig(**sizes, attn_implementation="eager"))
    assert make_passes(eager.eval()) is None
