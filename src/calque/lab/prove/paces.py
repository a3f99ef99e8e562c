"""What a pace admitted when: over all seeds, by kind of demonstration and by how hard the rows then were."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from calque.lab.prove.experiment import Experiment

PARTS = 12  # spans of steps that a curve has at most
EVERYTHING = "all rows"
BY_LOSS = ("easiest third", "middle third", "hardest third")


@dataclass(frozen=True, slots=True)
class Paced:
    """Rows that ran in a span of steps (from 1, both ends in), and how many of them were admitted, over all seeds.

    `kind` is language and view of the demonstrations; `part` is all of them, or a third by loss at the time.
    """

    experiment: str
    language: str
    system: str
    kind: str
    part: str
    first_step: int
    last_step: int
    rows: int
    admitted: int

    @property
    def share(self) -> float:
        """Of the rows, those that were admitted."""
        return self.admitted / self.rows


def paces_of(experiment: Experiment, language: str, runs: Sequence[Path]) -> list[Paced]:
    """The paces of the experiment's `paced` systems."""
    return [row for system in experiment.paced for row in _pace(experiment.name, language, system, runs)]


def _pace(name: str, language: str, system: str, runs: Sequence[Path]) -> Iterator[Paced]:
    logs = [
        json.loads(line)
        for run in runs
        for line in _log(run, system, language).read_text(encoding="utf-8").splitlines()
    ]
    steps = max(row["step"] for row in logs)
    size = -(-steps // PARTS)
    sums: dict[tuple[str, str], dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in logs:
        thirds = zip(BY_LOSS, row["terciles"], strict=False)
        for part, (rows, admitted) in ((EVERYTHING, (row["rows"], row["admitted"])), *thirds):
            counts = sums[row["group"], part][(row["step"] - 1) // size]
            counts[0] += rows
            counts[1] += admitted
    for (kind, part), spans in sums.items():
        for span, (rows, admitted) in sorted(spans.items()):
            if rows:
                ends = span * size + 1, min((span + 1) * size, steps)
                yield Paced(name, language, system, kind, part, *ends, rows, admitted)


def _log(run: Path, system: str, language: str) -> Path:
    return run / "steps" / f"tune-{system}-{language}" / "pace.jsonl"
