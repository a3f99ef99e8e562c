"""What stands above the steps of a finished run: the manifest, all scores in one file, and the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path
from typing import Any

import calque
from calque.corpora.writing import write_json, write_jsonl
from calque.engines.weights import count_parameters
from calque.recipes.code_version import digest_of
from calque.recipes.folder import RunFolder
from calque.recipes.record import PACKAGES, Record
from calque.recipes.resolved import Resolved, ResolvedSystem, called
from calque.recipes.steps.evaluate import is_asked
from calque.recipes.steps.workshop import Workshop


def write_outcome(
    resolved: Resolved, workshop: Workshop, records: Mapping[str, Record], folder: RunFolder
) -> Path:
    """Write manifest.json, scores.jsonl and report.html, unless they stand already; return the report's path.

    The files depend on the steps and on the recipe alone.
    """
    root = folder.root
    manifest = _manifest(resolved, workshop, records)
    report = root / "report.html"
    stamp = root / "partial" / "report.json"
    key = {
        "manifest": manifest,
        "code": digest_of("reports", "agreement.py"),
        "recipe": _text(root / "recipe.yaml"),
    }
    key |= {"ratings": _hashes(folder, (root / "ratings.jsonl",))}
    files = (root / "manifest.json", root / "scores.jsonl", report)
    if _read(stamp) == {**key, "files": _hashes(folder, files)}:
        return report
    from calque.reports.page import write_report

    write_json(root / "manifest.json", manifest)
    write_jsonl(root / "scores.jsonl", _scores(resolved, folder))
    write_report([root], report)
    write_json(stamp, {**key, "files": _hashes(folder, files)})
    return report


def _hashes(folder: RunFolder, files: tuple[Path, ...]) -> list[str]:
    return [folder.hashes.sha256(path) if path.is_file() else "" for path in files]


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _read(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except (OSError, ValueError):
        return None


def _manifest(resolved: Resolved, workshop: Workshop, records: Mapping[str, Record]) -> dict[str, Any]:
    recipe = resolved.recipe
    return {
        "format": 1,
        "recipe": recipe.name,
        "seed": recipe.seed,
        "calque": calque.__version__,
        "versions": _versions(records),
        "command": "calque run recipe.yaml out=FOLDER",
        "model": _model(workshop),
        "languages": list(recipe.languages),
        "systems": [
            {
                "name": called(system.name, way),
                "role": called(system.role, way),
                "language": system.language,
                "mix": dict(system.mix),
                "stages": [stage.name for stage in system.stages],
                **({} if system.scored_in else {"scored": False}),
                **_served(system),
            }
            for system in resolved.systems
            for way in system.answers
        ],
        **_rounds(resolved),
        "comparisons": [list(pair) for pair in recipe.comparisons],
        "steps": [
            {
                "name": record.name,
                "kind": record.inputs.kind,
                "key": record.inputs.key,
                "folder": f"steps/{record.name}",
                "inputs": record.inputs.files,
                "after": list(record.inputs.after),
                "outputs": record.outputs,
                "counts": record.counts,
            }
            for record in records.values()
        ],
        "notes": [*resolved.notes, *_fewer(records)],
    }


def _rounds(resolved: Resolved) -> dict[str, Any]:
    """Of a recipe with rounds of refinement, how many were carried out and measured, and why not more (empty: none was asked for)."""
    return {"rounds": asdict(resolved.rounds)} if resolved.rounds.measured else {}


def _served(system: ResolvedSystem) -> dict[str, Any]:
    """Of a model behind a server its name and what else it is told by; neither address nor key."""
    if system.served is None:
        return {}
    template = Path(system.served.template).name
    told = {"model": system.served.model, "revision": system.served.revision, "template": template}
    return {"served": {**told, "parameters": system.served.parameters}}


def _fewer(records: Mapping[str, Record]) -> Iterator[str]:
    """A note for each selection of which there were fewer candidates than it asks for."""
    for name, record in records.items():
        if asked := record.counts.get("asked_for"):
            yield f"{name}: {asked:,} are asked for, and all {record.counts['kept']:,} that there are were taken"


def _versions(records: Mapping[str, Record]) -> dict[str, str]:
    """Those with which the steps were made; several where they were made before and after an upgrade."""
    found = {name: {r.versions[name] for r in records.values() if name in r.versions} for name in PACKAGES}
    return {name: ", ".join(sorted(those)) for name, those in found.items()}


def _model(workshop: Workshop) -> dict[str, Any]:
    """The base model, as its own files describe it; nothing where there is none."""
    if not workshop.base.name:
        return {}
    folder = workshop.base.folder
    config = json.loads(_text(folder / "config.json"))
    return {
        "path": workshop.base.label,
        "revision": workshop.settings.revision,
        "sha256": workshop.weights_sha256,
        "architecture": ", ".join(config.get("architectures") or []),
        "parameters": count_parameters(folder),
        "vocabulary": config.get("vocab_size"),
        "template": workshop.settings.template,
        "template_language": workshop.settings.template_language,
    }


def _scores(resolved: Resolved, folder: RunFolder) -> Iterator[dict[str, Any]]:
    """The scores of all systems, then for each role the mean over the target languages, if there are several."""
    from calque.evaluation.scores import Score, mean_over_languages, read_scores

    of_role: list[Score] = []
    for system in resolved.systems:
        for way, benchmark in product(system.answers, resolved.benchmarks):
            if not is_asked(system, benchmark, way):
                continue
            step = f"evaluate-{called(system.name, way)}-{benchmark.name}-{benchmark.language}"
            for score in read_scores(folder.place(step) / "scores.jsonl"):
                yield score.to_row()
                if _counts_for_mean(system, benchmark.language, resolved):
                    of_role.append(replace(score, model=called(system.role, way)))
    for score in mean_over_languages(of_role):
        yield score.to_row()


def _counts_for_mean(system: ResolvedSystem, language: str, resolved: Resolved) -> bool:
    return language in resolved.recipe.languages and system.language in ("", language)
