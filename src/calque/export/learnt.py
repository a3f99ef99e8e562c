"""What a system learnt from, by the files of its steps: its rows, their counts and drops, where they come from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calque.corpora.demonstration_files import read_demonstrations
from calque.corpora.json_rows import read_json, read_rows
from calque.errors import Problem, RunError
from calque.records import Demonstration, Rejected


@dataclass(frozen=True)
class Learnt:
    """Of one stage: `rows` were mixed and `kept` were trained on; `parts` by name, `kinds` by view and languages.

    `dropped` counts by step and reason what did not come so far; `origins` counts the kept by dataset and licence.
    """

    system: str
    rows: int
    kept: int
    truncated: int
    parts: dict[str, int]
    kinds: dict[tuple[str, str, str], int]
    dropped: dict[str, dict[str, int]]
    origins: dict[tuple[str, str], int]

    @property
    def licences(self) -> list[str]:
        """Each licence once, by its rows; "" stands for rows of which none is known."""
        found: Counter[str] = Counter()
        for (_, licence), rows in self.origins.items():
            found[licence] += rows
        return [licence for licence, _ in found.most_common()]


def learnt(root: Path, system: str) -> tuple[list[Demonstration], Learnt]:
    """The rows that a system was trained on, in their order, and what is known of them.

    Raises `RunError` where the run has no such mixture.
    """
    mixed, encoded = (root / "steps" / f"{kind}-{system}" for kind in ("mix", "encode"))
    if not (encoded / "counts.json").is_file():
        remedy = f"carry the run out again: calque run {root}"
        raise RunError(
            Problem(f"the demonstrations of {system} are not there any more", str(encoded), remedy=remedy)
        )
    rows = list(read_demonstrations(mixed / "demonstrations.jsonl"))
    kept = _without(rows, list(_rejected(encoded / "dropped.jsonl")))
    mixing, encoding = (read_json(folder / "counts.json") for folder in (mixed, encoded))
    dropped = {"mix": mixing["dropped"], "encode": encoding["dropped"]}
    for part in mixing["parts"]:
        for kind in ("demonstrate", "select", "ratings"):
            path = root / "steps" / f"{kind}-{part}" / "counts.json"
            if path.is_file():
                dropped[f"{kind} {part}"] = read_json(path)["dropped"]
    kinds = Counter((row.kind, row.languages[0], row.languages[2]) for row in kept)
    origins = Counter((row.provenance.dataset, row.provenance.licence) for row in kept)
    return kept, Learnt(
        system,
        len(rows),
        len(kept),
        sum(int(row["truncated"]) for row in read_json(encoded / "lengths.json")),
        dict(mixing["parts"]),
        dict(sorted(kinds.items())),
        {step: reasons for step, reasons in sorted(dropped.items()) if reasons},
        dict(origins.most_common()),
    )


def _rejected(path: Path) -> Iterator[dict[str, Any]]:
    for row in read_rows(path):
        if not isinstance(row, Rejected):
            yield row.value


def _without(rows: Sequence[Demonstration], rejected: Sequence[dict[str, Any]]) -> list[Demonstration]:
    """The rows but for those that were too long to be trained on; of several that look alike the longest are meant."""
    left = Counter((row["file"], row["row"], row["raw"]) for row in rejected)
    out: set[int] = set()
    for i in sorted(range(len(rows)), key=lambda i: -_size(rows[i])) if left else ():
        row = rows[i]
        key = (row.provenance.dataset, row.provenance.row, row.messages[0].text[:500])
        if left[key]:
            left[key] -= 1
            out.add(i)
    return [row for i, row in enumerate(rows) if i not in out]


def _size(row: Demonstration) -> int:
    return sum(len(text) for message in row.messages for text in message.texts)
