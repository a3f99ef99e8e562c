"""How many questions of each set were found, each counted once by the strongest kind, and which are so in translation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from calque.contamination.find import FIRM, KINDS, Asked, Hit

ALIGNED = "aligned"


def tally(asked: Sequence[Asked], hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """A row for each set: `asked` questions, `items` found by kind, `rows` that hold one, by kind.

    A question that was not found itself is `aligned` where the question of the same id was, in the same benchmark in
    another language. Of a well-known set of which there are fingerprints alone, `asked` and `items` count what was found.
    """
    kinds: dict[int, str] = {}
    rows: dict[str, dict[str, set[tuple[str, int, str]]]] = {}
    for hit in sorted(hits, key=lambda hit: KINDS.index(hit.kind)):
        source = hit.row.provenance
        of_set = rows.setdefault(hit.set, {})
        of_set.setdefault(hit.kind, set()).add((source.dataset, source.row, hit.row.id))
        if hit.asked is not None:
            kinds.setdefault(hit.asked, hit.kind)
    in_some_language = {(_benchmark(asked[i]), asked[i].id) for i, kind in kinds.items() if kind in FIRM}
    counts: dict[str, dict[str, Any]] = {}
    for i, one in enumerate(asked):
        row = counts.setdefault(one.set, {"set": one.set, "asked": 0, "items": {}, "rows": {}})
        row["asked"] += 1
        kind = kinds.get(i)
        if kind not in FIRM and (_benchmark(one), one.id) in in_some_language:
            kind = ALIGNED
        if kind:
            row["items"][kind] = row["items"].get(kind, 0) + 1
    for name, by_kind in rows.items():
        row = counts.setdefault(name, {"set": name, "asked": 0, "items": {}, "rows": {}})
        row["rows"] = {kind: len(found) for kind, found in by_kind.items()}
    return list(counts.values())


def _benchmark(asked: Asked) -> str:
    return asked.set.removesuffix(f" in {asked.language}")
