"""The demonstrations that a system was trained on, in a form that other tools read, with a card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import calque
from calque.corpora.exchange import Form, to_form
from calque.corpora.files import sha256_of
from calque.corpora.writing import write_json, write_jsonl, write_text
from calque.export.card import UNKNOWN, front_matter, learnt_from, table
from calque.export.learnt import Learnt, learnt
from calque.export.placing import MARK, placed
from calque.recipes.tuned import RunSystem, Tuned
from calque.records import Rejected

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
FILE = "train.jsonl"


def export_data(
    tuned: Tuned, system: RunSystem, out: Path, form: Form, *, force: bool = False
) -> Iterator[str]:
    """Write `train.jsonl`, `dropped.jsonl` (what the form cannot hold) and a card into `out`, atomically; tell the counts."""
    rows, stage = learnt(tuned.root, system.name)
    with placed(out, force=force) as folder:
        made = [(row, to_form(row, form)) for row in rows]
        rejected = [one for _, one in made if isinstance(one, Rejected)]
        kept = [one for _, one in made if not isinstance(one, Rejected)]
        write_jsonl(folder / FILE, kept)
        if rejected:
            write_jsonl(folder / "dropped.jsonl", (row.to_row() for row in rejected))
        reasons = dict(sorted(Counter(row.reason for row in rejected).items()))
        unlearnt = sum(
            any(m.role == "assistant" and not m.trained for m in row.messages)
            for row, one in made
            if not isinstance(one, Rejected)
        )
        earlier = _earlier(system)
        card = _card(out.absolute().name, tuned, system, form, stage, len(kept), reasons, unlearnt, earlier)
        write_text(folder / "README.md", card)
        files = {p.name: sha256_of(p) for p in sorted(folder.iterdir())}
        counts = {"rows": len(rows), "kept": len(kept), "dropped": reasons}
        mark = {"calque": calque.__version__, "kind": form, "system": system.name, **counts, "files": files}
        write_json(folder / MARK, mark)
    lost = "".join(f", {n:,} × {reason}" for reason, n in reasons.items())
    yield f"{len(kept):,} of {len(rows):,} demonstrations of {system.name} in the form {form}{lost}: {out / FILE}"
    if rejected:
        yield f"what {form} cannot hold stands in {out / 'dropped.jsonl'}; the form messages holds all"
    if unlearnt:
        yield f'{unlearnt:,} rows have answers that were not trained on: they carry "weight": 0'
    if earlier:
        yield f"{system.name} starts from {earlier[-1]}, which learnt from other rows: --system {earlier[-1]}"


def _earlier(system: RunSystem) -> list[str]:
    from calque.corpora.json_rows import read_json

    if system.step is None:
        return []
    return [stage["system"] for stage in read_json(system.step / "lineage.json")["stages"][:-1]]


def _card(
    title: str,
    tuned: Tuned,
    system: RunSystem,
    form: Form,
    stage: Learnt,
    kept: int,
    reasons: Mapping[str, int],
    unlearnt: int,
    earlier: list[str],
) -> str:
    codes = {code for _, prompt, answer in stage.kinds for code in (prompt, answer) if code}
    licences = stage.licences
    front: dict[str, Any] = {
        "language": sorted(codes),
        **({"license": licences[0]} if len(licences) == 1 and licences[0] else {}),
        "task_categories": ["text-generation"],
        "tags": ["calque", tuned.recipe.name],
        "size_categories": [next((name for limit, name in SIZES if kept < limit), "n>1M")],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": FILE}]}],
    }
    told = (
        f"What system `{system.name}` of recipe `{tuned.recipe.name}` (seed {tuned.recipe.seed}) was trained on, written by calque "
        f"{calque.__version__} in the form `{form}`: {kept:,} rows in the order of the mixture.\n"
    )
    parts = [front_matter(front), f"# {title}\n", told]
    if earlier:
        parts.append(
            f"It starts from `{earlier[-1]}`, which learnt from rows of its own that are not here.\n"
        )
    if unlearnt:
        parts.append(f'{unlearnt:,} rows have answers that were not trained on; these carry `"weight": 0`.\n')
    if reasons:
        parts.append(
            "Rows that this form cannot hold (`dropped.jsonl`), which are counted below all the same:\n"
        )
        parts.append(table(["reason", "rows"], [[reason, f"{n:,}"] for reason, n in reasons.items()]))
    parts.append("## Where it comes from\n")
    parts += learnt_from(stage)
    known = ", ".join(licence or UNKNOWN for licence in licences)
    parts.append(
        f"Licences: {known}. A licence is what the recipe says of a file (`sources.licence`); nothing is guessed.\n"
    )
    return "\n".join(parts)
