"""Systems that name other systems: as much tuning as another (`matched_to`), and a start from it (`starts_from`).

Which of another role's systems is meant follows from the language: the one of the same language, else the one for all.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from calque.errors import Problem
from calque.recipes.document import Loc, Places, dotted
from calque.recipes.resolved import ResolvedMatch, ResolvedStart, ResolvedSystem
from calque.recipes.schema import Recipe

Fate = Literal["continue", "merge", "none"]
SAME_ADAPTER = ("r", "alpha", "target_modules")  # what an adapter that is trained on cannot change


def unknown(
    places: Places, loc: Loc, within: Loc, what: str, name: str, known: Sequence[str]
) -> tuple[str, Problem]:
    """The problem of a name in the setting at `loc` that is none of the known, and the nearest of these, or nothing."""
    near = next(iter(difflib.get_close_matches(name, known, n=1)), "")
    remedy = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
    return near, Problem(f"{dotted(loc)}: there is no {what} {name!r}", *places.at((*loc, *within)), remedy)


class Links:
    """Finds the systems that others name; what is wrong with them goes to `problems`, what is left out to `notes`."""

    def __init__(self, recipe: Recipe, places: Places, problems: list[Problem], notes: list[str]) -> None:
        self.recipe = recipe
        self.places = places
        self.problems = problems
        self.notes = notes
        self._failed: set[str] = set()  # roles of which something wrong is told

    def drawn(self, systems: list[ResolvedSystem]) -> list[ResolvedSystem]:
        """The systems, each with those that it names. One whose start is left out is left out with it."""
        self._refuse_circles()
        begun: dict[str, ResolvedSystem] = {}
        waiting = [system for system in systems if system.role not in self._failed]
        while waiting:  # a start comes before what starts from it, wherever they stand in the recipe
            system = next(s for s in waiting if not any(self._names(s, other) for other in waiting))
            waiting.remove(system)
            if started := self._started(system, list(begun.values())):
                begun[system.name] = started
        found = [begun[system.name] for system in systems if system.name in begun]
        return [matched for system in found if (matched := self._matched(system, found))]

    def _names(self, system: ResolvedSystem, other: ResolvedSystem) -> bool:
        """Whether `system` starts from `other`, as far as names and languages say."""
        start = self.recipe.systems[system.role].starts_from
        return start is not None and other.role == start.system and other.language in ("", system.language)

    def _started(self, system: ResolvedSystem, begun: Sequence[ResolvedSystem]) -> ResolvedSystem | None:
        """The system with its start; None where it has to be left out, or something is wrong, which is told."""
        settings = self.recipe.systems[system.role]
        start, at = settings.starts_from, ("systems", system.role, "starts_from")
        if start is None:
            return system
        if start.system not in self.recipe.systems:
            self._unknown(at, start.system)
            return None
        earlier = next((s for s in begun if self._names(system, s)), None)
        if earlier is None:
            self._without(system, start.system)
            return None
        if not earlier.mix:
            self._tell(
                at, f"{earlier.name} is not tuned", "leave starts_from out: that is where all systems start"
            )
        elif not system.mix:
            self._tell(
                at,
                "there is nothing to tune on: the mix is empty",
                f"say systems.{system.role}.mix={{PART: all}}",
            )
        else:
            return replace(system, starts_from=ResolvedStart(earlier, self._fate(system, earlier)))
        return None

    def _without(self, system: ResolvedSystem, start: str) -> None:
        """Say why a system is not made: its start is left out, in its language."""
        if self.recipe.systems[system.role].when_missing == "skip":
            self.notes.append(f"{system.name} is left out: {start}, which it starts from, is left out")
        elif start not in self._failed and self.recipe.systems[start].when_missing == "skip":
            self._tell(
                ("systems", system.role, "starts_from"),
                f"{start} is left out, and {system.name} starts from it",
            )
        else:
            self._failed.add(system.role)  # what is wrong is told at the start itself

    def _fate(self, system: ResolvedSystem, earlier: ResolvedSystem) -> Fate:
        """What becomes of the earlier adapter. That full tuning needs none, and so merges it, is said where it was asked for otherwise."""
        settings = self.recipe.systems[system.role].starts_from
        asked = settings.adapter if settings is not None else "auto"
        at: Loc = ("systems", system.role, "starts_from", "adapter")
        if system.tuning.method == "full":
            if asked == "continue" and earlier.tuning.method == "lora":
                self.notes.append(
                    f"{system.name} is tuned in full: the adapter of {earlier.name} is merged, and all weights are tuned on"
                )
            return "none"
        if earlier.tuning.method == "full":
            if asked in ("continue", "merge"):
                self._tell(
                    at,
                    f"{earlier.name} is tuned in full, so it has no adapter to {asked}",
                    "say none, or auto",
                )
            return "none"
        if asked == "none":
            self._tell(
                at, f"{earlier.name} has an adapter, and {system.name} gets one too", "say continue, or merge"
            )
        fate: Fate = "merge" if asked == "merge" else "continue"
        if fate == "continue":
            self._same_adapter(system, earlier, at)
        return fate

    def _same_adapter(self, system: ResolvedSystem, earlier: ResolvedSystem, at: Loc) -> None:
        ours, theirs = system.tuning.lora, earlier.tuning.lora
        differing = [
            f"{name} is {getattr(theirs, name)} in {earlier.name} and {getattr(ours, name)} here"
            for name in SAME_ADAPTER
            if getattr(ours, name) != getattr(theirs, name)
        ]
        if differing:
            remedy = "give both the same tuning.lora, or say merge"
            self._tell(at, f"an adapter that is trained on keeps its form: {', '.join(differing)}", remedy)

    def _matched(self, system: ResolvedSystem, systems: Sequence[ResolvedSystem]) -> ResolvedSystem | None:
        match = self.recipe.systems[system.role].matched_to
        at: Loc = ("systems", system.role, "matched_to")
        if match is None:
            return system
        if match.system not in self.recipe.systems:
            self._unknown(at, match.system)
            return None
        others = [s for s in systems if s.role == match.system and s.language in ("", system.language)]
        other = self.recipe.systems[match.system]
        if not others and match.system in self._failed:
            return None  # what is wrong is told at that one
        if not others or not others[0].mix or other.matched_to is not None:
            reason = "is itself matched to another" if other.matched_to else "is not tuned"
            self._tell(at, f"{match.system} {reason if others else 'is left out'}")
            return None
        stages = others[0].stages if match.stages == "all" else others
        if match.stages == "all" and not self._all_stages_count(system, stages, at):
            return None
        return replace(system, matched_to=ResolvedMatch(others[0], match.by, tuple(stages)))

    def _all_stages_count(self, system: ResolvedSystem, stages: Sequence[ResolvedSystem], at: Loc) -> bool:
        """Whether all stages of another can be this one's measure; what stands against it is told."""
        if system.starts_from is not None:
            remedy = "say stages: last, or let it start from the base"
            self._tell((*at, "stages"), f"{system.name} has an earlier stage of its own", remedy)
            return False
        for stage in stages[:-1]:
            if self.recipe.systems[stage.role].matched_to is not None:
                self._tell((*at, "stages"), f"{stage.name} is itself matched to another", "say stages: last")
                return False
        return True

    def _refuse_circles(self) -> None:
        for role in self.recipe.systems:
            circle = self._circle(role)
            if circle and role not in self._failed:
                self._failed |= set(circle)
                way = " → ".join([*circle, circle[0]])
                self._tell(
                    ("systems", circle[0], "starts_from"),
                    f"systems start from one another in a circle: {way}",
                )

    def _circle(self, role: str) -> list[str]:
        """The circle that `role` is part of, by way of its starts; empty where it is in none."""
        way = [role]
        while (following := self._start_of(way[-1])) and following not in way:
            way.append(following)
        return way if following == role else []

    def _start_of(self, role: str) -> str:
        system = self.recipe.systems.get(role)
        return system.starts_from.system if system is not None and system.starts_from is not None else ""

    def _unknown(self, loc: Loc, name: str) -> None:
        _, problem = unknown(self.places, loc, ("system",), "system", name, list(self.recipe.systems))
        self._failed.add(str(loc[1]))
        self.problems.append(problem)

    def _tell(self, loc: Loc, message: str, remedy: str = "") -> None:
        self._failed.add(str(loc[1]))
        self.problems.append(self.places.problem(loc, message, remedy))
