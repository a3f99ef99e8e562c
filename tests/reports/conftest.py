"""A run folder made by hand: two languages, one of them written from right to left, and figures that are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calque.evaluation.benchmarks import BENCHMARKS

QUESTIONS = 40
# Of the 40 questions, those numbered below the figure are answered rightly.
RIGHT = {
    ("base", "en"): 30,
    ("base", "it"): 0,
    ("base", "ar"): 0,
    ("alpaca-it", "it"): 20,
    ("alpaca-it", "en"): 10,
    ("alpaca-ar", "ar"): 10,
    ("cross-it", "it"): 36,
    ("cross-it", "en"): 30,
    ("cross-ar", "ar"): 10,
}
ANSWER = {"it": "il <b>ponte</b>", "ar": "الجسر القديم", "en": "the bridge"}


def write(path: Path, *rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def score(model: str, language: str, value: float) -> dict[str, Any]:
    return {
        "benchmark": "xquad",
        "language": language,
        "metric": "exact_match",
        "value": value,
        "low": max(0.0, value - 0.1),
        "high": min(1.0, value + 0.1),
        "n": QUESTIONS,
        "answered": QUESTIONS,
        "ceiling": 0.95,
        "model": model,
        "signature": f"xquad|lang:{language}",
    }


def answer(number: int, language: str, right: bool) -> dict[str, Any]:
    return {
        "id": f"q{number:02}",
        "group": "xquad",
        "question": "Che cosa?<script>alert(1)</script>",
        "golds": [ANSWER[language]],
        "answer": ANSWER[language] if right else "no",
        "correct": right,
        "finished": True,
        "metrics": {"exact_match": float(right)},
        "context": f"{ANSWER[language]}. " * 3,
    }


def write_run(folder: Path, changes: dict[tuple[str, str], int | None]) -> Path:
    """Write it, with other numbers of right answers where they are given; None leaves an evaluation out."""
    right = {key: n for key, n in {**RIGHT, **changes}.items() if n is not None}
    systems = list(dict.fromkeys(name for name, _ in right))
    rows = []
    for (name, language), hits in right.items():
        place = folder / "steps" / f"evaluate-{name}-xquad-{language}"
        row = score(name, language, hits / QUESTIONS)
        rows.append(row)
        write(place / "scores.jsonl", row)
        write(place / "answers.jsonl", *(answer(i, language, i < hits) for i in range(QUESTIONS)))
        counts = {"rows": 41, "kept": 40, "dropped": {"duplicate_id": 1}, "notes": {"gold_not_in_context": 2}}
        write(place / "counts.json", counts)
    for name in systems[1:]:
        tuned = folder / "steps" / f"tune-{name}"
        points = [
            {"step": i + 1, "loss": 2.0 / (i + 1), "tokens": 100, "trained_tokens": 40} for i in range(3)
        ]
        write(tuned / "loss.jsonl", *points)
        lineage = {"base": "/home/me/models/tiny", "base_sha256": "0" * 64, "method": "lora", "start": "base"}
        lineage |= {"adapter": "adapter", "parameters": 1000, "trainable": 10, "settings": {"rank": 16}}
        write(tuned / "lineage.json", {**lineage, "precision": "float32"})
    data = folder / "steps" / "demonstrate-instructions-it"
    write(
        data / "counts.json",
        {"rows": 5, "kept": 3, "dropped": {"empty_response": 2}, "files": ["/data/a.json"]},
    )
    for row in (3, 4):
        write(
            data / "dropped.jsonl",
            {"file": "a.json", "row": row, "reason": "empty_response", "detail": "", "raw": "<i>\u0007"},
        )
    encoded = folder / "steps" / "encode-cross-it"
    texts = {"language": "it", "tokens": 30, "characters": 60, "words": 16}
    signs = {"language": "zh", "tokens": 9, "characters": 6, "words": None, "tokens_per_word": None}
    length = {"language": "it", "kind": "translation", "rows": 5, "tokens": 70, "trained_tokens": 33}
    write(encoded / "lengths.json", [length | {"longest": 21, "truncated": 2, "dropped": 1}])
    fertile = [
        texts | {"tokens_per_word": 1.875, "tokens_per_character": 0.5},
        signs | {"tokens_per_character": 1.5},
    ]
    write(encoded / "fertility.json", fertile)
    write(folder / "scores.jsonl", *rows)
    (folder / "recipe.yaml").write_text("name: tried\nseed: 0\n")
    roles = {name: name.partition("-")[0] for name in systems}
    manifest = {
        "recipe": "tried",
        "seed": 0,
        "calque": "0.1.0",
        "versions": {"torch": "2.13.0"},
        "model": {"path": "/home/me/models/tiny", "parameters": 1000},
        "languages": ["it", "ar"],
        "systems": [
            {"name": name, "role": roles[name], "language": name.partition("-")[2]} for name in systems
        ],
        "comparisons": [["alpaca", "cross"]],
        "steps": [{"name": path.name, "kind": path.name.partition("-")[0], "key": "k" * 64}
                  for path in sorted((folder / "steps").iterdir())],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def add_open(folder: Path) -> Path:
    """Add a benchmark of open questions in Italian: all of cross-it's answers come to their end, none of alpaca-it's."""
    rows = []
    for name, finished in (("alpaca-it", 0.0), ("cross-it", 1.0)):
        place = folder / "steps" / f"evaluate-{name}-open-it"
        rows.append(score(name, "it", finished) | {"benchmark": "open", "metric": "finished"})
        write(place / "scores.jsonl", rows[-1])
        asked = {"question": "Perché?", "golds": [], "answer": "Perché sì", "metrics": {"finished": finished}}
        asked |= {"group": "open", "correct": bool(finished), "finished": bool(finished), "context": ""}
        write(place / "answers.jsonl", *(asked | {"id": f"o{i}"} for i in range(QUESTIONS)))
        write(place / "counts.json", {"rows": 40, "kept": 40, "dropped": {}, "notes": {}})
    with (folder / "scores.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def write_many(folder: Path, number: int) -> Path:
    """Write a run of a base and `number` systems in Italian, asked 20 questions of each of four benchmarks.

    System k answers k of them rightly, and each is compared with the first.
    """
    names = ["base", *(f"method-{k:02}" for k in range(1, number + 1))]
    rows = []
    for k, name in enumerate(names):
        for benchmark in ("xquad", "mlqa", "mmlu", "bbh"):
            place = folder / "steps" / f"evaluate-{name}-{benchmark}-it"
            row = score(name, "it", min(k, 20) / 20) | {"benchmark": benchmark, "n": 20, "answered": 20}
            rows += [row, row | {"metric": "f1"}]
            write(place / "scores.jsonl", *rows[-2:])
            write(
                place / "answers.jsonl", *(answer(i, "it", i < k) | {"group": benchmark} for i in range(20))
            )
            write(place / "counts.json", {"rows": 20, "kept": 20, "dropped": {}, "notes": {}})
        if k:
            points = [
                {"step": i, "loss": 2.0 / i + k / 50, "tokens": 100, "trained_tokens": 40}
                for i in range(1, 40)
            ]
            write(folder / "steps" / f"tune-{name}" / "loss.jsonl", *points)
    write(folder / "scores.jsonl", *rows)
    manifest = {
        "recipe": "many",
        "model": {"path": "tiny"},
        "languages": ["it"],
        "systems": [
            {"name": name, "role": name, "language": "it" if name != "base" else ""} for name in names
        ],
        "comparisons": [["method-01", name] for name in names[2:]],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Make a run folder of a name, with changes to the numbers of right answers."""

    def make(name: str = "run", **changes: int | None) -> Path:
        keys = {f"{system}_{language}".replace("-", "_"): (system, language) for system, language in RIGHT}
        return write_run(tmp_path / name, {keys[key]: n for key, n in changes.items()})

    return make


@pytest.fixture
def run_folder(make_run: MakeRun) -> Path:
    """The run as it stands above."""
    return make_run()


@pytest.fixture
def open_run(run_folder: Path) -> Path:
    """The run with open questions besides."""
    return add_open(run_folder)


def write_wide(folder: Path) -> Path:
    """Write a run of as much side by side as there is: all benchmarks, English too, names that are long, one asked by chat."""
    roles = ["base", *(f"without-chat-tokens-{k}" for k in range(1, 9)), "without-chat-tokens-1@chat"]
    metrics = ["exact_match", "f1", "containment"]
    metrics += [f"{metric}_{rules}" for rules in ("calque", "squad") for metric in metrics[:3]]
    rows = []
    for k, role in enumerate(roles):
        for benchmark in BENCHMARKS:
            for language in ("en", "zh-hant"):
                place = folder / "steps" / f"evaluate-{role}-{benchmark}-{language}"
                row = score(role, language, k / 20) | {"benchmark": benchmark, "n": 1500, "answered": 1480}
                rows += [row | {"metric": metric, "low": 0.0, "high": 1.0} for metric in metrics]
                write(place / "scores.jsonl", *rows[-len(metrics) :])
                found = [answer(i, "en", i % 10 < k) | {"group": benchmark} for i in range(20)]
                write(place / "answers.jsonl", *found)
                counts = {"rows": 1500, "kept": 1500, "dropped": {}, "notes": {"prompt_too_long": 20}}
                write(place / "counts.json", counts | {"tokens_per_answer": 100.5})
        lineage = {"base": "models/" + "x" * 60, "base_sha256": "0" * 64, "method": "lora", "start": "base"}
        lineage |= {"parameters": 7 * 10**9, "trainable": 10**7, "precision": "bfloat16"}
        write(folder / "steps" / f"tune-{role}" / "lineage.json", lineage | {"settings": {"rank": 16}})
    data = {"rows": 1_000_000, "kept": 900_000, "dropped": {"empty_response": 100_000}}
    write(
        folder / "steps" / "demonstrate-instructions-it" / "counts.json",
        data | {"files": ["y" * 60 + ".json"]},
    )
    write(folder / "scores.jsonl", *rows)
    systems = [{"name": role, "role": role, "language": ""} for role in roles]
    manifest = {"recipe": "wide", "languages": ["zh-hant"], "systems": systems, "model": {"path": "x" * 60}}
    manifest["comparisons"] = [[roles[1], role] for role in roles[2:]]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def wide_run(tmp_path: Path) -> Path:
    """A run of ten systems with long names on all benchmarks."""
    return write_wide(tmp_path / "wide")


@pytest.fixture
def many_run(tmp_path: Path) -> Path:
    """A run of a base and 24 systems."""
    return write_many(tmp_path / "many", 24)


Rate = Callable[..., None]


@pytest.fixture
def rate(open_run: Path) -> Rate:
    """Write ratings of the open questions in Italian: for each item, what each rater said; alpha-it stands first."""
    from calque.reports.folder import read_run
    from calque.reports.ratings import SAME, Rating, digest_of

    def write_ratings(**said: str) -> None:
        run = read_run(open_run)
        names = ("alpaca-it", "cross-it")
        before, after = ({a.id: a for a in run.answers(name, "open", "it")} for name in names)
        verdicts = {"1": "first", "2": "second", "0": "tie", "9": "both_bad", "=": SAME}
        rows = [
            Rating(
                "open",
                "it",
                item,
                *names,
                digest_of(before[item], after[item]),
                verdicts[v],
                "" if v == "=" else f"r{i}",
            ).to_row()
            for item, of in said.items()
            for i, v in enumerate(of)
        ]
        write(open_run / "ratings.jsonl", *rows)

    return write_ratings
