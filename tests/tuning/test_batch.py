"""The plan of steps: every row once an epoch, the composition of a step the same for any budget and any devices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.tuning.batch import Plan, collate, plan_of
from calque.tuning.encode import EncodedSet
from calque.tuning.settings import TuningSettings


def plan(lengths: list[int], **changes: int) -> Plan:
    fields = {"epochs": 1, "examples_per_step": 4, "tokens_per_batch": 16, "seed": 0, **changes}
    sizes = np.array(lengths)
    return Plan(lengths=sizes, trained_counts=sizes // 2, **fields)


def test_rows_are_cut_in_falling_length_by_the_budget() -> None:
    (step,) = plan([3, 9, 5, 5], examples_per_step=8).steps()
    # 9 alone (2 × 9 > 16); 5, 5, 3 fit in 3 × 5 = 15
    assert step.micro_batches == ((1,), (2, 3, 0))
    assert (step.examples, step.tokens, step.trained_tokens) == (4, 22, 9)


def test_a_row_above_the_budget_runs_alone() -> None:
    (step,) = plan([40, 2], examples_per_step=8).steps()
    assert step.micro_batches == ((0,), (1,))


@settings(deadline=None)
@given(
    st.lists(st.integers(2, 50), min_size=1, max_size=40),
    st.integers(1, 9),
    st.integers(1, 80),
    st.integers(1, 3),
    st.integers(1, 3),
)
def test_every_row_once_an_epoch(
    lengths: list[int], per_step: int, budget: int, epochs: int, world: int
) -> None:
    def steps(rank: int, world: int, budget: int) -> list[list[int]]:
        made = plan(
            lengths,
            epochs=epochs,
            examples_per_step=per_step,
            tokens_per_batch=budget,
            rank=rank,
            world=world,
        )
        assert len(made) == len(list(made.steps()))
        return [[row for batch in step.micro_batches for row in batch] for step in made.steps()]

    alone = steps(0, 1, budget)
    assert sorted(row for step in alone for row in step) == sorted(list(range(len(lengths))) * epochs)
    shares = [steps(rank, world, budget * 3) for rank in range(world)]
    for i, step in enumerate(alone):
        assert sorted(row for share in shares for row in share[i]) == sorted(step)


def test_to_resume_is_to_skip() -> None:
    made = plan([3, 4, 5, 6, 7, 8], epochs=3)
    everything = list(made.steps())
    assert len(everything) == 6
    for start in range(7):
        assert list(made.steps(start)) == everything[start:]
    assert [step.epoch for step in everything] == [0, 0, 1, 1, 2, 2]


def test_epochs_and_seeds_draw_orders_of_their_own() -> None:
    lengths = [5] * 64
    one, two = plan(lengths, epochs=2, examples_per_step=64, tokens_per_batch=5).steps()
    assert sorted(one.micro_batches) == sorted(two.micro_batches)
    first = next(plan(lengths, epochs=2).steps()).micro_batches
    assert first != next(plan(lengths, epochs=2, seed=1).steps()).micro_batches
    assert first != list(plan(lengths, epochs=2).steps())[16].micro_batches


def test_collate_pads_on_the_right_and_points_at_what_predicts() -> None:
    encoded = EncodedSet(
        tokens=np.array([7, 8, 9, 5, 6], dtype=np.int32),
        trained=np.array([False, True, True, False, True]),
        offsets=np.array([0, 3, 5]),
    )
    arrays = collate(encoded, (0, 1))
    assert arrays.ids.tolist() == [[7, 8, 9], [5, 6, 0]]
    assert arrays.positions.tolist() == [0, 1, 3] + [0] * 61
    assert arrays.labels.tolist() == [8, 9, 6] + [-100] * 61
    assert arrays.rows.tolist() == [0, 0, 1] + [-1] * 61


def test_widths_are_round_but_never_above_the_longest_row() -> None:
    encoded = EncodedSet(np.arange(53, dtype=np.int32), np.ones(53, dtype=bool), np.array([0, 17, 23, 53]))
    assert collate(encoded, (1,)).ids.shape == (1, 16)
    assert collate(encoded, (0, 1)).ids.shape == (2, 30)  # not 32: no row has more than 30 tokens
    assert len(collate(encoded, (0, 1, 2)).labels) == 64


def test_fewer_rows_than_devices() -> None:
    assert [next(plan([3], rank=r, world=2).steps()).micro_batches for r in (0, 1)] == [((0,),), ()]
    with pytest.raises(StopIteration):
        next(plan([3]).steps(1))


def test_a_number_of_steps_in_place_of_epochs_goes_round_as_often_as_it_takes() -> None:
    made = plan([4, 4, 4], examples_per_step=2, limit=5)
    steps = list(made.steps())
    assert (len(made), [s.epoch for s in steps], [s.examples for s in steps]) == (
        5,
        [0, 0, 1, 1, 2],
        [2, 1, 2, 1, 2],
    )
    assert [s.index for s in made.steps(3)] == [3, 4]
    assert list(made.steps())[:4] == list(plan([4, 4, 4], examples_per_step=2, epochs=2).steps())


def test_the_number_of_steps_nearest_to_so_many_trained_tokens() -> None:
    made = plan([8, 8, 8, 8], examples_per_step=2)  # 4 trained tokens a row, 8 a step
    assert [made.nearest(tokens) for tokens in (1, 8, 11, 12, 13, 40)] == [1, 1, 1, 2, 2, 5]
    assert made.trained_tokens() == 16


def test_settings_say_when_it_ends() -> None:
    lengths = np.array([0, 6, 12, 18])
    encoded = EncodedSet(np.zeros(18, np.int32), np.tile([False] * 3 + [True] * 3, 3), lengths)

    def steps(**changes: int) -> int:
        return len(plan_of(encoded, TuningSettings(examples_per_step=2, **changes), 0, tokens_per_batch=8))

    assert (steps(epochs=3), steps(steps=7), steps(trained_tokens=18)) == (6, 7, 4)
    with pytest.raises(ValueError, match="cannot both say"):
        TuningSettings(steps=3, trained_tokens=9)
