"""What stands in the folder in the end: rows of results, claims, efforts and paces, and the page made of them."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar

import calque
from calque.corpora.json_rows import read_json
from calque.corpora.writing import write_jsonl
from calque.lab.files import COVERAGE
from calque.lab.gates import GATES
from calque.lab.prove.carry_out import variant_run
from calque.lab.prove.claims import MEAN, Effort, Finding, Result, findings_of, results_of, rounded
from calque.lab.prove.experiment import Experiment, called
from calque.lab.prove.measure import Results
from calque.lab.prove.paces import Paced
from calque.lab.prove.page import Section, write_page

Row = TypeVar("Row", Finding, Result, Effort, Paced)
Efforts = Mapping[
    str, tuple[float, float]
]  # of a system: optimiser steps and trained tokens, means over seeds


@dataclass(frozen=True)
class Proved:
    """An experiment with its graded answers, its systems' efforts, and what paces admitted, in each language."""

    experiment: Experiment
    results: Sequence[Results]
    efforts: Mapping[str, Efforts]
    paces: Sequence[Paced] = ()


def efforts_of(runs: Sequence[Path], language: str, variants: Iterable[str] = ()) -> Efforts:
    """Optimiser steps and trained tokens of each system, those of variants too, the mean over seeds."""
    taken: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for main, variant in product(runs, ("", *variants)):
        run = variant_run(main, variant)
        for step in json.loads((run / "manifest.json").read_text(encoding="utf-8"))["steps"]:
            if step["kind"] == "tune":
                name = called(variant, step["name"].removeprefix("tune-").removesuffix(f"-{language}"))
                taken[name].append((step["counts"]["steps"], step["counts"]["trained_tokens"]))
    return {
        name: (sum(s for s, _ in found) / len(found), sum(t for _, t in found) / len(found))
        for name, found in taken.items()
    }


def write_outcome(
    proved: Sequence[Proved], out: Path, command: str, clean: Mapping[str, str], *, development: bool
) -> Path:
    """Write the rows and the page into `out`. `clean` says by language what of the questions was met in learning."""
    results: list[Result] = [row for one in proved for row in results_of(one.results)]
    findings: list[Finding] = [row for one in proved for row in findings_of(one.results)]
    efforts = list(_efforts(proved))
    write_jsonl(out / "results.jsonl", map(rounded, results))
    write_jsonl(out / "claims.jsonl", map(rounded, findings))
    write_jsonl(out / "efforts.jsonl", map(asdict, efforts))
    paces = [row for one in proved for row in one.paces]
    write_jsonl(out / "paces.jsonl", map(asdict, paces))
    sections = [
        Section(
            one.experiment,
            language,
            _of(findings, one.experiment.name, language),
            _of(results, one.experiment.name, language),
            _of(efforts, one.experiment.name, language),
            _of(paces, one.experiment.name, language),
        )
        for one in proved
        for language in _languages(one)
    ]
    told = list(_told(proved, out, clean, development=development))
    return write_page(sections, told, command, out / "prove.html", development=development)


def _languages(proved: Proved) -> list[str]:
    spoken = [results.language for results in proved.results]
    return [*([MEAN] if len(spoken) > 1 else []), *spoken]


def _of(rows: Sequence[Row], name: str, language: str) -> list[tuple[int, Row]]:
    """The rows of an experiment in a language, each with its number in its file (from 1)."""
    return [
        (i, row) for i, row in enumerate(rows, start=1) if (row.experiment, row.language) == (name, language)
    ]


def _efforts(proved: Sequence[Proved]) -> Iterator[Effort]:
    for one in proved:
        for language, efforts in one.efforts.items():
            for system, (steps, tokens) in efforts.items():
                yield Effort(one.experiment.name, language, system, steps, tokens)


def _told(
    proved: Sequence[Proved], out: Path, clean: Mapping[str, str], *, development: bool
) -> Iterator[tuple[str, str]]:
    gates = read_json(out / "world" / "base" / "gates.json")
    yield "calque", calque.__version__
    yield (
        "world",
        f"seed {gates['seed']}, {gates['people']} people, {COVERAGE:.0%} of the values covered by instructions",
    )
    yield "people asked about", "development" if development else "tested"
    for name in (*GATES, "choosing"):
        yield f"base: {name} in English", f"{gates[name]:.3f}"
    for one in proved:
        seeds = {seed for r in one.results for by_seed in r.answers.values() for seed in by_seed}
        yield f"seeds of {one.experiment.name}", ", ".join(map(str, sorted(seeds)))
    for language, words in clean.items():
        yield f"contamination ({language})", words
