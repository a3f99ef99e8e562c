"""Prompts in lanes: how they are dealt, that the answers are those of one lane, and how it ends when something goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.test_step import model_of
from transformers import LlamaConfig

from calque.engines import Sampling
from calque.engines.choosing import Asked
from calque.engines.decode import make_decoder
from calque.engines.lanes import FEW, TOGETHER, Lanes, dealt, side_by_side
from calque.engines.passes import make_passes

PROMPTS = [[3 + (7 * i + 5 * j) % 190 for j in range(2 + (5 * i) % 17)] for i in range(4 * FEW)]


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def lanes_of(model: Any, most: int) -> Lanes:
    passes = make_passes(model)
    assert passes is not None
    return Lanes(make_decoder(model, -1, passes), passes, most)


def test_prompts_that_begin_alike_stay_together() -> None:
    one, other, third = [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 7], [8, 8, 8]
    assert dealt([third, one, other], 2) == [[1, 2], [0]]
    assert dealt([third, one, other], 1) == [[1, 2, 0]]


def test_but_not_all_in_one_lane_where_all_begin_alike() -> None:
    prompts = [[*range(50), 60 + i] for i in range(4 * TOGETHER)]
    assert [len(part) for part in dealt(prompts, 2)] == [2 * TOGETHER, 2 * TOGETHER]


def test_no_lane_is_empty_where_a_few_begin_alike() -> None:
    assert [len(part) for part in dealt([[1] * 20] * TOGETHER, 2)] == [TOGETHER // 2, TOGETHER // 2]


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=5), max_size=40), st.integers(1, 4))
def test_each_prompt_is_dealt_once(prompts: list[list[int]], lanes: int) -> None:
    parts = dealt(prompts, lanes)
    assert len(parts) == lanes
    assert sorted(i for part in parts for i in part) == list(range(len(prompts)))


@pytest.mark.usefixtures("two_threads")
def test_two_lanes_answer_as_one() -> None:
    model = model_of(LlamaConfig)
    two, one = lanes_of(model, 2), lanes_of(model, 1)
    assert [len(part) for part in two._dealt(PROMPTS)] != [len(PROMPTS)]
    asked = [Asked(prompt, [[5], [6, 7]]) for prompt in PROMPTS]
    for sampling in (None, Sampling(seed=3)):
        assert dict(two.answers(PROMPTS, 6, 200, sampling)) == dict(one.answers(PROMPTS, 6, 200, sampling))
    found, wanted = dict(two.scores(asked)), dict(one.scores(asked))
    assert found.keys() == wanted.keys() == set(range(len(PROMPTS)))
    for i, likely in wanted.items():
        assert found[i] == pytest.approx(likely, abs=1e-4)


@pytest.mark.usefixtures("two_threads")
def test_few_prompts_have_one_lane_and_so_has_what_is_not_ours_to_run() -> None:
    model = model_of(LlamaConfig)
    lanes = lanes_of(model, 2)
    assert len(lanes._dealt(PROMPTS[: 2 * FEW - 1])) == 1
    hook = model.model.layers[0].mlp.register_forward_hook(lambda _module, _given, made: -made)
    assert len(lanes._dealt(PROMPTS)) == 1
    hook.remove()
    rotated = model_of(
        LlamaConfig, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    )
    assert len(lanes_of(rotated, 2)._dealt(PROMPTS)) == 1


@pytest.mark.usefixtures("two_threads")
def test_all_that_generators_give_comes_and_each_has_its_share_of_threads() -> None:
    def work(first: int) -> Generator[tuple[int, int]]:
        for i in range(3):
            yield first + i, torch.get_num_threads()

    assert sorted(side_by_side([work(0), work(10)])) == [(i, 1) for i in (0, 1, 2, 10, 11, 12)]
    assert list(side_by_side([work(0)])) == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.usefixtures("two_threads")
def test_what_one_raises_ends_the_other() -> None:
    fallen = threading.Event()

    def falls() -> Generator[int]:
        yield 1
        fallen.set()
        raise ValueError("no room")

    def goes_on() -> Generator[int]:
        fallen.wait()
        while True:
            yield 2

    with pytest.raises(ValueError, match="no room"):
        list(side_by_side([falls(), goes_on()]))


@pytest.mark.usefixtures("two_threads")
def test_whoever_stops_reading_ends_all() -> None:
    ended: list[int] = []

    def work(number: int) -> Generator[int]:
        try:
            while True:
                yield number
        finally:
            ended.append(number)

    reading = side_by_side([work(0), work(1)])
    assert next(reading) in (0, 1)
    reading.close()
    assert sorted(ended) == [0, 1]
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]
