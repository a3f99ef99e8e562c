"""Lanes: the same gradients and losses as one micro-batch after the other, and one lane where two would not be the same."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

import calque.tuning.lanes
from calque.engines.loading import ModelFiles
from calque.tuning.adapt import adapt
from calque.tuning.batch import Rows, collate
from calque.tuning.encode import EncodedSet
from calque.tuning.forward import ResponseLoss
from calque.tuning.lanes import Lanes
from calque.tuning.loop import tune

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def loss_of(base: ModelFiles, **changes: Any) -> ResponseLoss:
    return ResponseLoss(AutoModelForCausalLM.from_pretrained(base.folder, **changes))


def test_gradients_and_outcomes_are_those_of_one_lane(base: ModelFiles, rows: EncodedSet) -> None:
    batches = [(0, 1), (2,), (3, 4, 5), (6,), (7, 8)]

    def work(one: ResponseLoss, batch: Rows) -> float:
        arrays = collate(rows, batch)
        losses = one(*map(torch.from_numpy, (arrays.ids, arrays.positions, arrays.labels)))
        losses.sum().backward()
        return float(losses.detach().sum())

    lanes = Lanes(loss_of(base), CPU)
    assert len(lanes) == 2
    found = lanes.run(batches, work)
    alone = loss_of(base)
    assert found == pytest.approx([work(alone, batch) for batch in batches], abs=1e-5)
    for ours, its in zip(lanes.first.parameters(), alone.parameters(), strict=True):
        assert ours.grad is not None
        torch.testing.assert_close(ours.grad, its.grad, atol=1e-5, rtol=1e-4)
    again = Lanes(loss_of(base), CPU)
    assert again.run(batches, work) == found
    for ours, its in zip(lanes.first.parameters(), again.first.parameters(), strict=True):
        assert torch.equal(ours.grad, its.grad), "the order of the sum is fixed"  # type: ignore[arg-type]


def test_masks_are_to_the_bit_those_of_one_lane(base: ModelFiles, settings: Any) -> None:
    def masks(threads: int) -> list[torch.Tensor]:
        torch.set_num_threads(threads)
        model = adapt(AutoModelForCausalLM.from_pretrained(base.folder), settings(lora={"dropout": 0.5}))
        lanes = Lanes(ResponseLoss(model), CPU)
        assert len(lanes) == threads
        lanes.train()
        ones = torch.ones(1, 9, 8)
        return lanes.run([(i,) for i in range(9)], lambda *_: functional.dropout(ones), key=5)

    for one, two in zip(masks(1), masks(2), strict=True):
        assert torch.equal(one, two)


def test_weights_are_shared_and_so_is_a_step(base: ModelFiles) -> None:
    lanes = Lanes(loss_of(base), CPU)
    with torch.no_grad():
        for parameter in lanes.first.parameters():
            parameter.zero_()
    seen = lanes.run([(0,), (1,)], lambda one, _: sum(float(p.abs().sum()) for p in one.parameters()))
    assert seen == [0.0, 0.0]


def test_threads_measure_without_a_gradient_where_they_are_told_to(base: ModelFiles) -> None:
    lanes = Lanes(loss_of(base), CPU)
    lanes.train(False)
    with torch.no_grad():
        told = lanes.run(
            [(0,), (1,)], lambda one, _: (torch.is_grad_enabled(), one.training, one.model.training)
        )
    assert told == [(False, False, False)] * 2
    lanes.train()
    assert (
        lanes.run([(0,), (1,)], lambda one, _: (torch.is_grad_enabled(), one.training)) == [(True, True)] * 2
    )


def test_what_goes_wrong_in_a_lane_is_raised(base: ModelFiles) -> None:
    def work(_: ResponseLoss, batch: Rows) -> None:
        raise KeyError(batch)

    with pytest.raises(KeyError):
        Lanes(loss_of(base), CPU).run([(0,), (1,)], work)


def test_when_one_lane_fails_the_others_stop(base: ModelFiles) -> None:
    lanes, seen, begun = Lanes(loss_of(base), CPU), [], Event()

    def work(one: ResponseLoss, batch: Rows) -> None:
        if batch == (0,):
            begun.wait()
            raise KeyError(batch)
        begun.set()
        sleep(0.5)
        seen.append(batch)
        next(one.parameters()).sum().backward()  # type: ignore[no-untyped-call]

    with pytest.raises(KeyError):
        lanes.run([(i,) for i in range(9)], work)
    assert seen == [(1,)]
    assert torch.get_num_threads() == 2
    assert all(p.grad is None for lane in lanes._lanes[1:] for p in lane.parameters())


def test_threads_to_come_have_what_torch_had(base: ModelFiles) -> None:
    Lanes(loss_of(base), CPU).run([(0,), (1,)], lambda *_: None)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2


def test_where_there_is_one_lane(base: ModelFiles, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(Lanes(loss_of(base, attention_dropout=0.1), CPU)) == 1, "it draws inside of torch"
    for dropout in (0.0, 0.05):
        model = adapt(AutoModelForCausalLM.from_pretrained(base.folder), settings(lora={"dropout": dropout}))
        assert len(Lanes(ResponseLoss(model), CPU)) == 2
    assert len(Lanes(loss_of(base), torch.device("meta"))) == 1
    odd = loss_of(base)
    odd.model.lm_head.weight = type("Odd", (torch.nn.Parameter,), {})(odd.model.lm_head.weight.data)
    assert len(Lanes(odd, CPU)) == 1
    torch.set_num_threads(1)
    assert len(Lanes(loss_of(base), CPU)) == 1
    for threads, lanes in ((8, 4), (6, 3), (7, 1), (4, 4), (3, 3)):  # no core is idle
        torch.set_num_threads(threads)
        assert len(Lanes(loss_of(base), CPU)) == lanes
    assert len(Lanes(loss_of(base), CPU, 1)) == 1
    monkeypatch.setattr(calque.tuning.lanes, "GRADIENTS", 1000)
    assert len(Lanes(loss_of(base), CPU)) == 1


def test_the_probe_draws_nothing(base: ModelFiles) -> None:
    first = loss_of(base, attention_dropout=0.5)
    first.eval()
    before = torch.get_rng_state()
    Lanes(first, CPU)
    assert torch.equal(before, torch.get_rng_state())
    assert not first.training


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "full"},
        {"method": "full", "pacing": {"order": "easiest-first"}},
        {"lora": {"dropout": 0.5}},
        {"lora": {"dropout": 0.5}, "gradient_checkpointing": True},
        {"lora": {"dropout": 0.5}, "pacing": {"order": "easiest-first", "spend": "selection"}},
    ],
)
def test_tuning_comes_to_the_same(
    base: ModelFiles, rows: EncodedSet, settings: Any, tmp_path: Path, changes: dict[str, Any]
) -> None:
    found = {}
    for name, threads in (("one", 1), ("two", 2), ("again", 2), ("three", 3)):
        torch.set_num_threads(threads)
        made = settings(tokens_per_batch=120, learning_rate=1e-3, epochs=2, **changes)
        (tmp_path / name).mkdir()
        found[name] = tune(base, rows, made, seed=0, folder=tmp_path / name, fingerprint={}).log
    assert found["two"] == found["again"]
    for one, *others in zip(found["one"], found["two"], found["three"], strict=True):
        for other in others:
            assert one["loss"] == pytest.approx(other["loss"], abs=1e-5)
            assert one["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=1e-3)
