"""The systems of a recipe with every `x` written out: one for each language, or one for all, from which parts, tuned how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec

from pydantic import ValidationError

from calque.recipes.document import Loc
from calque.recipes.finding import Finder
from calque.recipes.links import unknown
from calque.recipes.measured import ServedSystem, System, Way
from calque.recipes.mistakes import plain
from calque.recipes.others import readable, template_from
from calque.recipes.parts import Parts
from calque.recipes.refine import Amount
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.schema import Recipe
from calque.recipes.views import ChatPart, PivotPart
from calque.tuning.settings import TuningSettings


class Systems:
    """Makes the systems, and the `parts` that they are made from; what is wrong with them is told by the finder."""

    def __init__(self, recipe: Recipe, finder: Finder) -> None:
        self.recipe = recipe
        self.finder = finder
        self.parts = Parts(recipe, finder)
        self._untaught: dict[tuple[str, str], dict[str, None]] = {}  # by source and language: who lacks it

    def made(self) -> list[ResolvedSystem]:
        """All of them, in their order."""
        found = [s for role, system in self.recipe.systems.items() for s in self._system(role, system)]
        self._differ(found)
        self._quantized(found)
        return found

    def taught_by_others(self) -> Iterator[str]:
        """A note for each source that is not given in some languages, which systems for all learn from the others."""
        return _taught_by_others(self._untaught)

    def _served(self, role: str, system: ServedSystem) -> ResolvedSystem:
        """A system behind a server: one for all languages."""
        template = template_from(system.template, self.finder.folder)
        served = system.model_copy(update={"template": template})
        readable(self.finder, served.template, ("systems", role, "template"))
        if served.template != "chat" and "chat" in served.answers:
            message = "two turns do not go by a template of ours"
            self._tell(("systems", role, "answers"), message, "say template: chat, or answers without chat")
        if served.budget is not None and served.price is None:
            message = "what it costs is not known"
            self._tell(("systems", role, "budget"), message, "say price: {read: …, written: …} beside it")
        ways = tuple(dict.fromkeys(served.answers))
        scored_in = self._scored_in("", served)
        return ResolvedSystem(role, role, "", {}, TuningSettings(), scored_in, answers=ways, served=served)

    def _system(self, role: str, system: System | ServedSystem) -> Iterator[ResolvedSystem]:
        if isinstance(system, ServedSystem):
            yield self._served(role, system)
            return
        mix = {self._known(role, name): amount for name, amount in system.mix.items()}
        mix.pop("", None)
        tuning = self._tuning(role, system)
        in_x = bool(mix) and (self._is_in_x(mix) or self._starts_in_x(system))
        if in_x and system.together:
            yield from self._together(role, system, mix, tuning)
            return
        for target in self.recipe.languages if in_x else [""]:
            label = f"{role}-{target}" if target else role
            missing = {
                name: m for name in mix if (m := self.parts.missing(name, target, system.when_missing))
            }
            if missing and system.when_missing == "skip":
                self.finder.notes.append(f"{label} is left out: {next(iter(missing.values()))}")
                continue
            parts = {
                self.parts.part(name, target).name: amount
                for name, amount in mix.items()
                if name not in missing
            }
            for name, lack in missing.items():
                self._lacks(role, name, target, lack, label)
            if not missing:
                scored_in = self._scored_in(target, system)
                ways = tuple(dict.fromkeys(system.answers))
                yield ResolvedSystem(
                    label,
                    role,
                    target,
                    parts,
                    tuning,
                    scored_in,
                    answers=ways,
                    by_way_of_english=by_way_of_english(self.recipe, role),
                )

    def _together(
        self, role: str, system: System, mix: Mapping[str, Amount], tuning: TuningSettings
    ) -> Iterator[ResolvedSystem]:
        """One system for all languages, from their parts; a language that a part has no source for is left out of it."""
        parts: dict[str, Amount] = {}
        for name, amount in mix.items():
            lacks = {c: self.parts.missing(name, c, system.when_missing) for c in self.recipe.languages}
            for code, lack in lacks.items():
                if not lack:
                    parts[self.parts.part(name, code).name] = amount
                elif not all(lacks.values()):
                    self._untaught.setdefault((self.parts.source(name, code)[0], code), {})[role] = None
            if all(lacks.values()):
                target = self.recipe.languages[0]
                self._lacks(role, name, target, lacks[target], role)
        scored_in = self._scored_in("", system)
        ways = tuple(dict.fromkeys(system.answers))
        by_way = by_way_of_english(self.recipe, role)
        yield ResolvedSystem(role, role, "", parts, tuning, scored_in, answers=ways, by_way_of_english=by_way)

    def _lacks(self, role: str, name: str, target: str, lack: str, label: str) -> None:
        """Tell that the source of a part is not given, and how it is."""
        field, code = self.parts.source(name, target)
        form = "{english: FILE, target: FILE}, or {dolly: FILE}" if field == "parallel" else "FILE"
        word = "seed_pairs" if field == "seed" else field
        message = f"{lack}, and {label} is made from it"
        self._tell(("systems", role, "mix", name), message, f"say {word}.{code}={form}")

    def _starts_in_x(self, system: System) -> bool:
        """Whether what it starts from is of one language, so that there is one of it for each language too."""
        seen: set[str] = set()
        at: System | ServedSystem | None = system
        while at is not None and at.starts_from is not None and at.starts_from.system not in seen:
            seen.add(at.starts_from.system)
            at = self.recipe.systems.get(at.starts_from.system)
            if at is not None and self._is_in_x(at.mix) and not at.together:
                return True
        return False

    def _is_in_x(self, names: Iterable[str]) -> bool:
        parts = (self.recipe.demonstrate.get(name) for name in names)
        return any(part is not None and part.language == "x" for part in parts)

    def _known(self, role: str, name: str) -> str:
        """The name of a part; of one that is not there, that of the nearest, so that what else is wrong shows too."""
        if name in self.recipe.demonstrate:
            return name
        if ("demonstrate", name) in self.finder.places.known:  # a word of the command line took it out
            rest = ", ".join(
                f"{n}: {amount}" for n, amount in self.recipe.systems[role].mix.items() if n != name
            )
            remedy = f"leave {role} out too: systems.{role}=null; or say systems.{role}.mix={{{rest}}}"
            self._tell(
                ("systems", role, "mix"), f"part {name!r} is left out, and {role} is made from it", remedy
            )
            return ""
        known = list(self.recipe.demonstrate)
        near, problem = unknown(self.finder.places, ("systems", role, "mix"), (name,), "part", name, known)
        self.finder.problems.append(problem)
        return near

    def _tuning(self, role: str, system: System) -> TuningSettings:
        given, own = (tuning.model_dump(exclude_unset=True) for tuning in (self.recipe.tuning, system.tuning))
        try:
            return TuningSettings.model_validate(_merge(given, own))
        except ValidationError as error:
            for found in error.errors(include_url=False):
                self._tell(("systems", role, "tuning"), plain(found["msg"]))
            return system.tuning

    def _differ(self, systems: list[ResolvedSystem]) -> None:
        """Two systems under one name would share their steps: `a` in x, written out for zh, and `a-zh`."""
        first: dict[str, ResolvedSystem] = {}
        for system in systems:
            other = first.setdefault(system.name, system)
            if other is not system:
                message = f"with languages written out, system {other.role!r} is called {system.name!r} too"
                self._tell(("systems", system.role), message, "rename one of them")

    def _quantized(self, systems: list[ResolvedSystem]) -> None:
        """Weights are to be held in 4 bits, and the package that does it is not here."""
        wanting = next((system for system in systems if system.tuning.quantized), None)
        if wanting is not None and find_spec("bitsandbytes") is None:
            own = self.recipe.systems[wanting.role].tuning.quantized
            loc: Loc = ("systems", wanting.role, "tuning", "quantized") if own else ("tuning", "quantized")
            self._tell(loc, "the package bitsandbytes is not installed", "pip install 'calque[quantized]'")

    def _scored_in(self, target: str, system: System | ServedSystem) -> tuple[str, ...]:
        """The languages in which a system for `target`, or for all, is scored: of the targets its own alone."""
        own = system.scored_in
        codes = self.recipe.written_out(self.recipe.evaluate.languages if own is None else own)
        return tuple(c for c in codes if not target or c not in self.recipe.languages or c == target)

    def _tell(self, loc: Loc, message: str, remedy: str = "") -> None:
        self.finder.problems.append(self.finder.places.problem(loc, message, remedy))


def by_way_of_english(recipe: Recipe, role: str) -> dict[Way, ChatPart | PivotPart]:
    """The parts, of a role or of what it starts from, that teach to answer by way of English; the latest of each view."""
    found: dict[Way, ChatPart | PivotPart] = {}
    seen: set[str] = set()
    while role in recipe.systems and role not in seen:
        seen.add(role)
        system = recipe.systems[role]
        for name in system.mix:
            part = recipe.demonstrate.get(name)
            if isinstance(part, ChatPart | PivotPart):
                found.setdefault(part.view, part)
        role = system.starts_from.system if system.starts_from is not None else ""
    return found


def _taught_by_others(untaught: Mapping[tuple[str, str], Iterable[str]]) -> Iterator[str]:
    """In which languages a source is not given, and which systems, being for all languages, learn it from the others."""
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (field, code), roles in untaught.items():
        alike.setdefault((field, tuple(roles)), []).append(code)
    for (field, roles), codes in alike.items():
        who = " and ".join(roles) if len(roles) < 3 else f"{len(roles)} systems"
        learn = "learns" if len(roles) == 1 else "learn"
        yield f"sources.{field} is not given in {', '.join(codes)}: {who} {learn} it from the other languages"


def _merge(base: dict[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
