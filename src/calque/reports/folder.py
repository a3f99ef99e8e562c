"""Read a run folder into a `Run`. Its form is written down in docs/architecture.md."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, TypeVar

from calque.errors import Problem, RunError
from calque.reports.contamination import read_contamination
from calque.reports.counts import read_counts, read_fertility, read_lengths
from calque.reports.diversity import read_diversity
from calque.reports.judges import read_judged, read_quality
from calque.reports.pace import read_pace
from calque.reports.passages import read_passages
from calque.reports.ratings import read_ratings
from calque.reports.reading import number, read_object, read_rows, read_text, shaped
from calque.reports.rounds import read_rounds
from calque.reports.run import LossPoint, Manifest, Run, Score, Step, System

T = TypeVar("T")


def read_run(folder: Path) -> Run:
    """Everything a report needs of a run, finished or not.

    Raises `RunError` where the folder is no run, or where one of its files is damaged.
    """
    if not any((folder / mark).exists() for mark in ("manifest.json", "recipe.yaml", "steps")):
        what = "is no run folder" if folder.is_dir() else "is not a folder"
        raise RunError(
            Problem(
                what, file=str(folder), remedy="give the folder that `calque run` wrote (its out= setting)"
            )
        )
    row = read_object(folder / "manifest.json")
    steps = tuple(_steps(folder, row))
    places = {step.name: _place(folder, step) for step in steps}
    evaluations = [(places[step.name], step.name) for step in steps if step.kind == "evaluate"]
    scores = tuple(read_rows(folder / "scores.jsonl", Score.of))
    if not scores:
        scores = tuple(s for place, _ in evaluations for s in read_rows(place / "scores.jsonl", Score.of))
    manifest = shaped(lambda: _manifest(row, scores, steps), folder / "manifest.json")
    tuned = {step.name.removeprefix("tune-"): step for step in steps if step.kind == "tune"}
    encoded = {
        step.name.removeprefix("encode-"): places[step.name] for step in steps if step.kind == "encode"
    }
    counts = {
        step.name: found for step in steps if (found := read_counts(places[step.name], step.name, step.kind))
    }
    judging = [places[step.name] for step in steps if step.kind == "judge" and step.done]
    asked = {key: name for place, name in evaluations for key in _asked(place, name)}
    return Run(
        name=folder.resolve().name,
        manifest=manifest,
        recipe_text=read_text(folder / "recipe.yaml"),
        steps=steps,
        scores=scores,
        counts=tuple(counts.values()),
        lengths=_present((name, read_lengths(place)) for name, place in encoded.items()),
        fertility=_present((name, read_fertility(place)) for name, place in encoded.items()),
        losses=_present((name, _losses(places[step.name], step)) for name, step in tuned.items()),
        pace=_present((name, read_pace(places[step.name])) for name, step in tuned.items()),
        lineage=_present((name, _lineage(places[step.name])) for name, step in tuned.items()),
        samples=_present((name, tuple(_segments(place))) for name, place in encoded.items()),
        passages=tuple(
            native
            for step in steps
            if step.kind == "passages" and (native := read_passages(places[step.name], counts.get(step.name)))
        ),
        asked={key: counts[name] for key, name in asked.items() if name in counts},
        answer_files={key: places[name] / "answers.jsonl" for key, name in asked.items()},
        ratings=read_ratings(folder),
        rounds=read_rounds(places, _ended(row)),
        diversity=read_diversity(places),
        judged=tuple(pair for place in judging if (pair := read_judged(place))),
        judge_quality=tuple(known for place in judging if (known := read_quality(place))),
        contamination=read_contamination(folder / "steps" / "contamination"),
        candidate_contamination=read_contamination(folder / "steps" / "contamination-candidates"),
    )


def _present(found: Iterable[tuple[str, T]]) -> dict[str, T]:
    return {name: value for name, value in found if value}


def _steps(folder: Path, row: Mapping[str, Any]) -> Iterator[Step]:
    """The manifest's steps in its order, then those that are on disk alone, by name."""
    known = {str(step["name"]): step for step in row.get("steps", []) if "name" in step}
    names = dict.fromkeys(known)
    for place in ("steps", "partial"):
        found = sorted(_named(path) for path in (folder / place).glob("*") if path.is_dir())
        names |= dict.fromkeys(name for name in found if not name.startswith("."))
    for name in names:
        done = (folder / "steps" / name).is_dir()
        step = known.get(name) or read_object(folder / "steps" / name / "step.json")
        kind = str(step.get("kind") or name.split("-")[0])
        kind = kind.removesuffix("_served")  # a step of one behind a server is read as the others
        yield Step(name=name, kind=kind, key=str(step.get("key") or ""), done=done)


def _named(path: Path) -> str:
    """The step of a folder: an unfinished one is called by its key too; a system's name may hold the sign itself."""
    return path.name.rpartition("@")[0] if path.parent.name == "partial" else path.name


def _place(folder: Path, step: Step) -> Path:
    """Where a step's files lie; while it is under way its folder is called by its key too."""
    if step.done:
        return folder / "steps" / step.name
    begun = sorted((folder / "partial").glob(f"{glob.escape(step.name)}@*"), key=lambda p: p.stat().st_mtime)
    return begun[-1] if begun else folder / "partial" / step.name


def _manifest(row: Mapping[str, Any], scores: tuple[Score, ...], steps: tuple[Step, ...]) -> Manifest:
    """The manifest; where an unfinished run has none yet, the systems are those that were tuned or scored."""
    systems = [
        System(
            name=str(s["name"]),
            role=str(s["role"]),
            language=str(s.get("language") or ""),
            scored=bool(s.get("scored", True)),
            served=_served(s.get("served")),
        )
        for s in row.get("systems", [])
    ]
    if not systems:
        names = [s.name.removeprefix("tune-") for s in steps if s.kind == "tune"] + [s.model for s in scores]
        systems = [System(name, name) for name in dict.fromkeys(names)]
    return Manifest(
        recipe=str(row.get("recipe") or ""),
        seed=int(row.get("seed") or 0),
        calque=str(row.get("calque") or ""),
        command=str(row.get("command") or ""),
        versions={str(k): str(v) for k, v in row.get("versions", {}).items()},
        model=_model(row.get("model", {})),
        languages=tuple(row.get("languages") or dict.fromkeys(s.language for s in scores)),
        systems=tuple(systems),
        comparisons=tuple((str(first), str(second)) for first, second in row.get("comparisons", [])),
        notes=tuple(str(note) for note in row.get("notes", [])),
    )


def _ended(row: Mapping[str, Any]) -> str | None:
    """Why there were no more rounds of refinement; None where the manifest does not say."""
    rounds = row.get("rounds") or {}
    return str(rounds["why"]) if "why" in rounds else None


def _served(row: Mapping[str, Any] | None) -> str:
    """What a model behind a server is called there, and how it is asked; empty for one of ours."""
    if not row:
        return ""
    revision = f" ({row['revision']})" if row.get("revision") else ""
    return f"{row['model']}{revision}, {row.get('template') or 'chat'}"


def _model(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the base model; an unfinished run may not know yet."""
    unknown = dict.fromkeys(("parameters", "architecture", "vocabulary"))
    return {**unknown, **row, "path": _portable(str(row.get("path") or ""))}


def _portable(name: str) -> str:
    """A model's name of the hub as it is; of a path on some machine the last part alone."""
    return PurePath(name).name if name.startswith(("/", "~", ".")) else name


def _losses(place: Path, step: Step) -> tuple[LossPoint, ...]:
    return tuple(read_rows(place / "loss.jsonl", _loss_point, being_written=not step.done))


def _loss_point(row: Mapping[str, Any]) -> LossPoint:
    return LossPoint(
        step=int(row["step"]),
        loss=number(row["loss"]),
        learning_rate=number(row.get("learning_rate")),
        tokens=int(row.get("tokens") or 0),
        trained_tokens=int(row.get("trained_tokens") or 0),
        refreshed_tokens=int(row.get("refreshed_tokens") or 0),
    )


def _lineage(place: Path) -> dict[str, Any]:
    row = read_object(place / "lineage.json")
    return {
        key: _portable(value) if key in ("base", "adapter") and value else value for key, value in row.items()
    }


def _segments(place: Path) -> list[tuple[str, bool]]:
    path = place / "sample.json"
    row = read_object(path)
    return shaped(lambda: [(str(text), bool(trained)) for text, trained in row.get("segments", [])], path)


def _asked(place: Path, name: str) -> list[tuple[str, str, str]]:
    """System, benchmark and language of an evaluation: those of its scores that its name spells, else of the first."""
    scores = list(read_rows(place / "scores.jsonl", Score.of))
    spelt = [s for s in scores if name == f"evaluate-{s.model}-{s.benchmark}-{s.language}"]
    return [(s.model, s.benchmark, s.language) for s in (spelt or scores)[:1]]
