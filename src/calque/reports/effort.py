"""How much the two sides of a comparison learnt: a method that is given more steps may be better by that alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from calque.reports.run import Run


@dataclass(frozen=True, slots=True)
class Effort:
    """Optimiser steps and trained tokens of a role, the least and the most over its systems."""

    steps: tuple[int, int]
    trained_tokens: tuple[int, int]


def efforts(run: Run) -> tuple[tuple[Effort, Effort] | None, ...]:
    """Of each comparison in the manifest, what its first and its second role took; None where one was not tuned."""
    return tuple(
        _both(_effort(run, first), _effort(run, second)) for first, second in run.manifest.comparisons
    )


def _both(first: Effort | None, second: Effort | None) -> tuple[Effort, Effort] | None:
    return (first, second) if first and second else None


def _effort(run: Run, role: str) -> Effort | None:
    taken = list(_taken(run, role))
    if not taken:
        return None
    steps, tokens = zip(*taken, strict=True)
    return Effort((min(steps), max(steps)), (min(tokens), max(tokens)))


def _taken(run: Run, role: str) -> Iterator[tuple[int, int]]:
    for system in run.manifest.systems:
        points = run.losses.get(system.tuned_as)
        if system.role == role and points:
            yield len(points), sum(point.trained_tokens for point in points)
