"""Prompts answered and scored side by side on a CPU: each core runs its own, in place of all cores sharing the products of one.

A step's products are too small for two cores: with two lanes on two cores 1.5M parameters wrote 1.08 times as many tokens a
second and scored 1.65 times as many choices (docs/speed-tables-avx2.md, `calque, one lane`). Prompts are dealt to
lanes once and for all, so that nobody's neighbours depend on which thread comes first. A model whose weights do not stay in the
processor's cache would read them once for each lane: it has one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from queue import SimpleQueue
from threading import Event
from typing import Any, TypeVar

import torch

from calque.engines import Sampling
from calque.engines.choosing import Asked, score_in_passes
from calque.engines.decode import LOGITS, Decoder
from calque.engines.form import has_the_form, is_small, needs_no_setting
from calque.engines.passes import Passes
from calque.engines.products import onednn_is_faster
from calque.engines.stems import groups_alike

T = TypeVar("T")

MOST = 4  # lanes: more are not measured
FEW = 8  # prompts of a lane, at least
TOGETHER = 16  # prompts that share half of their tokens, at most, that are dealt as one
# Rotations that do not change with the places that are asked for.
STILL = {"default", "linear", "llama3", "yarn"}


class Lanes:
    """Answers and scores by a model's decoder and passes, and by as many more of their kind as there are cores to use."""

    def __init__(self, decoder: Decoder | None, passes: Passes, most: int = MOST) -> None:
        self._passes = [passes]
        self._decoders = [] if decoder is None else [decoder]
        wanted = without_idle(torch.get_num_threads(), most)
        if wanted > 1 and _may_have_several(decoder, passes):
            self._passes += [_beside(passes) for _ in range(wanted - 1)]
            self._decoders += [one.in_passes(own) for one in self._decoders for own in self._passes[1:]]
            for passes in self._passes:
                passes.products = nullcontext  # threads would switch one another's
            for decoder in self._decoders:
                decoder.products = nullcontext

    def answers(
        self,
        prompts: Sequence[list[int]],
        max_new_tokens: int,
        tokens_at_a_time: int,
        sampling: Sampling | None,
    ) -> Iterator[tuple[int, list[int]]]:
        """As `Decoder.answers`, which there must be; `tokens_at_a_time` are a lane's."""
        parts = self._dealt(prompts)

        def work(decoder: Decoder, part: list[int]) -> Generator[tuple[int, list[int]]]:
            own = [prompts[i] for i in part]
            for place, ids in decoder.answers(own, max_new_tokens, tokens_at_a_time, sampling):
                yield part[place], ids

        return side_by_side([work(*pair) for pair in zip(self._decoders, parts, strict=False)])

    def scores(self, asked: Sequence[Asked]) -> Iterator[tuple[int, tuple[float, ...]]]:
        """As `score_in_passes`."""
        parts = self._dealt([one.prompt for one in asked])

        def work(passes: Passes, part: list[int]) -> Generator[tuple[int, tuple[float, ...]]]:
            own = [asked[i] for i in part]
            for place, found in score_in_passes(passes, own, LOGITS // len(parts)):
                yield part[place], found

        return side_by_side([work(*pair) for pair in zip(self._passes, parts, strict=False)])

    def _dealt(self, prompts: Sequence[list[int]]) -> list[list[int]]:
        """Which prompts are each lane's."""
        several = _is_for_threads(self._passes[0].model)
        most = min(len(self._passes), torch.get_num_threads(), len(prompts) // FEW)
        return dealt(prompts, max(1, most) if several else 1)


def without_idle(threads: int, most: int) -> int:
    """As many lanes of equally many threads, `most` at most, as leave the fewest threads without work."""
    return max(range(1, min(threads, most) + 1), key=lambda n: (threads // n * n, n))


def dealt(prompts: Sequence[list[int]], lanes: int) -> list[list[int]]:
    """Places of prompts by lane, about as many tokens in each; those that begin alike stay together, unless a lane had none."""
    if lanes == 1:
        return [sorted(range(len(prompts)), key=lambda i: prompts[i])]
    groups = groups_alike(prompts, range(len(prompts)), min(TOGETHER, -(-len(prompts) // lanes)))
    sizes = [sum(len(prompts[i]) for i in group) for group in groups]
    parts: list[list[int]] = [[] for _ in range(lanes)]
    loads = [0] * lanes
    for at in sorted(range(len(groups)), key=lambda at: (-sizes[at], at)):
        lane = loads.index(min(loads))
        parts[lane] += groups[at]
        loads[lane] += sizes[at]
    return parts


def side_by_side(works: Sequence[Generator[T]]) -> Generator[T]:
    """What generators give, as it comes, each run by a thread of its own with its share of torch's threads.

    What one raises ends all, and so does whoever stops reading. One runs as it is.
    """
    if len(works) == 1:
        yield from works[0]
        return
    threads = torch.get_num_threads()
    found: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()
    stopped = Event()

    def drive(work: Generator[T]) -> None:
        try:
            with closing(work):
                for one in work:
                    if stopped.is_set():
                        break
                    found.put((one,))
            found.put(None)
        except BaseException as error:  # noqa: BLE001 (it is raised where it is read)
            found.put(error)

    share = max(1, threads // len(works))
    try:
        with ThreadPoolExecutor(len(works), initializer=torch.set_num_threads, initargs=(share,)) as pool:
            try:
                for work in works:
                    pool.submit(drive, work)
                running = len(works)
                while running:
                    one = found.get()
                    if isinstance(one, BaseException):
                        raise one
                    if one is None:
                        running -= 1
                    else:
                        yield one[0]
            finally:
                stopped.set()
    finally:
        torch.set_num_threads(threads)  # the workers' number would be that of threads to come


def _may_have_several(decoder: Decoder | None, passes: Passes) -> bool:
    """Whether all that lanes would run is ours and keeps nothing of a step, and the weights are few."""
    model = passes.model
    return (
        model.device.type == "cpu"
        and is_small(model)
        and _is_for_threads(model)
        and passes.by_weights
        and (decoder is None or decoder.by_weights)
        and getattr(model.base_model.rotary_emb, "rope_type", "") in STILL
    )


def _is_for_threads(model: Any) -> bool:
    """Whether nothing but weights runs, which its modules may be more than, and no setting of the whole process."""
    return has_the_form(model) and (not onednn_is_faster() or needs_no_setting(model))


def _beside(passes: Passes) -> Passes:
    other = Passes(passes.model)
    other.room, other.by_weights = passes.room, passes.by_weights
    return other
