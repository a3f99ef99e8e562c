"""The models that a run has made, to be used: which there are, and each one's base, adapter and encoder.

Only what a model needs is looked at: the files that it was made from may be gone, or lie on another machine.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calque.errors import Problem, RunError, UsageError
from calque.recipes.hashes import Hashes
from calque.recipes.measured import ServedSystem, Way
from calque.recipes.reading import read_recipe
from calque.recipes.resolve import template_of
from calque.recipes.schema import Recipe
from calque.recipes.steps.workshop import Workshop


@dataclass(frozen=True, slots=True)
class RunSystem:
    """A system of a run. `language` is empty where it is one for all; `step` is the folder of its tuning.

    The base has none, nor has a model behind a server (`served`).
    """

    name: str
    role: str
    language: str
    step: Path | None
    ways: tuple[Way, ...] = ("direct",)
    served: ServedSystem | None = None


@dataclass(frozen=True)
class Tuned:
    """What a run has made so far: its recipe, and its systems in their order, the base among them."""

    root: Path
    recipe: Recipe
    systems: tuple[RunSystem, ...]

    def wanted(self, name: str | None, language: str | None, *, tuned: bool = False) -> RunSystem:
        """The system of a name or role, in a language; `tuned` leaves the base out.

        Without a name the only one there is; of several that which the last comparison is about. Raises `UsageError` that
        names those there are.
        """
        there = [s for s in self.systems if s.step is not None or not tuned]
        if not there:
            remedy = f"carry it out first: calque run {self.root}"
            raise RunError(Problem("no system of this run has been tuned yet", str(self.root), remedy=remedy))
        found = [s for s in there if name is None or name in (s.name, s.role)]
        if language is not None:
            found = [s for s in found if s.language in ("", language)]
        if name is None and len(found) > 1:
            found = [s for s in found if s.step is not None and s.role == self._method] or found
        if len(found) == 1:
            return found[0]
        what = "which system is meant?"
        if not found:
            what = f"there is no {'system' if name is None else name}" + (
                f" in {language}" if language else ""
            )
        remedy = f"say --system NAME; there are: {', '.join(s.name for s in there)}"
        raise UsageError(Problem(what, str(self.root), remedy=remedy))

    @property
    def _method(self) -> str:
        """What the recipe is about: the second of its last comparison."""
        pairs = self.recipe.comparisons
        return pairs[-1][1].partition("@")[0] if pairs else ""

    def workshop(self, base: str | None = None) -> Workshop:
        """The base model and its encoder; `base` says where it lies now, if it has been moved."""
        from calque.engines.loading import find_model

        settings = self.recipe.model
        place = self.root / Path(settings.path).expanduser()
        name = base or (str(place) if place.exists() else settings.path)
        revision = settings.revision if base is None else None
        files = find_model(name, revision=revision, trust_remote_code=settings.trust_remote_code)
        hashes = Hashes(self.root / "partial" / "hashes.json")
        return Workshop(settings, template_of(settings, self.root), files, hashes)


def read_tuned(root: Path) -> Tuned:
    """What stands in a run's folder, finished or not. Raises `RunError` where there is no run."""
    if not (root / "recipe.yaml").is_file():
        remedy = "give the folder that `calque run` wrote (its out= setting)"
        raise RunError(Problem("is no run folder", str(root), remedy=remedy))
    recipe = read_recipe(str(root)).recipe
    return Tuned(root, recipe, tuple(_systems(root, recipe)))


def _systems(root: Path, recipe: Recipe) -> list[RunSystem]:
    """Those of the manifest; of a run that is under way, the base and those that have been tuned."""
    found: dict[str, RunSystem] = {}
    try:
        manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
        rows: list[dict[str, Any]] = manifest["systems"]
    except (OSError, ValueError, KeyError):
        rows = []
    for row in rows:
        name, role = (str(row[key]).partition("@")[0] for key in ("name", "role"))
        found[name] = RunSystem(name, role, str(row["language"]), _step(root, name))
    if not rows:
        found["base"] = RunSystem("base", "base", "", None)
    for path in sorted((root / "steps").glob("tune-*")):
        name = path.name.removeprefix("tune-")
        if (path / "lineage.json").is_file() and name not in found:
            code = next((code for code in recipe.languages if name.endswith(f"-{code}")), "")
            role = name.removesuffix(f"-{code}") if code else name
            found[name] = RunSystem(name, role, code, path)
    served = {role: s for role, s in recipe.systems.items() if isinstance(s, ServedSystem)}
    if not rows:
        found |= {role: RunSystem(role, role, "", None) for role in served}
    for name, system in found.items():
        given = recipe.systems.get(system.role)
        ways = tuple(dict.fromkeys(given.answers)) if given is not None else ("direct",)
        found[name] = replace(system, ways=ways, served=served.get(system.role))
    return [
        system for system in found.values() if system.step is not None or not _is_to_be_tuned(rows, system)
    ]


def _is_to_be_tuned(rows: Sequence[dict[str, Any]], system: RunSystem) -> bool:
    return any(row["name"].partition("@")[0] == system.name and row.get("mix") for row in rows)


def _step(root: Path, name: str) -> Path | None:
    path = root / "steps" / f"tune-{name}"
    return path if (path / "lineage.json").is_file() else None
