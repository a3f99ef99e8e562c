"""The form of an experiment: a recipe, what is measured of its systems, and the claims that the figures are to bear out.

Adding an experiment is one file in `experiments/`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from copy import deepcopy
from importlib import resources
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calque.errors import Problem, RecipeError, UsageError
from calque.lab.passages import FAULTS
from calque.recipes.rounds import follower, kept

Asked = Literal["x", "en"]
Split = Literal["all", "covered", "uncovered"]
Measure = Literal["score", "language"]
SELECTION = "selection/"  # families of these: what selections of passages kept, by the truth
SHARES = ("sound", "recall", *filter(None, FAULTS))


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(_Form):
    """One sentence that can turn out true or not: `method` beats each system that it is held `against`."""

    says: str = Field(description="the claim")
    paper: str = Field("", description="what the paper says, with its place")
    family: str = Field(description="what is measured; one of the experiment's families")
    method: str = Field(description="the system, or the selection, that is to be better")
    against: dict[str, str] = Field(min_length=1, description="baselines, by how the comparison is made")
    against_family: str = Field(
        "", description="what is measured of the baselines, where another; item i of it is about the same"
    )
    asked: Asked = Field("x", description="language of the questions")
    against_asked: Asked | None = Field(
        None, description="language of the questions to the baselines, where another; the items are the same"
    )
    as_share: bool = Field(
        False, description="also told is which share of the baseline's value the method keeps"
    )
    split: Split = Field("all", description="items whose value instructions cover, or do not, or all")
    measure: Measure = Field(
        "score", description="right answers, or answers in the language that was asked for"
    )


class Line(_Form):
    """Systems in a row: one curve of a figure. `places` are the labels below, in their order."""

    name: str
    places: dict[str, str] = Field(min_length=1, description="system at each place")


class Figure(_Form):
    """A figure of the paper, and ours: a panel for each family, with the paper's own numbers where it prints them."""

    title: str
    axis: str = Field(description="what the places are")
    families: list[str] = Field(min_length=1)
    lines: list[Line] = Field(min_length=1)
    paper: dict[str, dict[str, float]] = Field(
        default_factory=dict, description="the paper's values by family and place, as shares"
    )
    paper_place: str = Field("", description="where they stand in the paper")
    split: Split = "all"


class Seeds(_Form):
    """Seeds of the data draw and the order of training."""

    reported: list[int] = Field(min_length=1)
    development: list[int] = Field(min_length=1, description="with these, settings may be chosen")


class Experiment(_Form):
    """One page of YAML."""

    name: str
    title: str
    about: str = Field(description="what is asked, and in which regime")
    tuned: list[str] = Field(description="what was chosen by looking at development results, and how often")
    explained: list[str] = Field(
        default_factory=list, description="what the lab shows about results that differ from the paper's"
    )
    seeds: Seeds
    recipe: dict[str, Any] = Field(
        description="as in a recipe's file, without seed; <x> is the language, <y> and <z> are two others of the lab"
    )
    variants: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="further runs of each seed: changes to the recipe (null takes away), whose systems are VARIANT/NAME",
    )
    families: dict[str, list[str]] = Field(
        description="benchmarks, or BENCHMARK/GROUP, by name; or one selection/SHARE: of what each selection of candidates "
        "kept the share that is sound, or of what is sound the share that it kept (recall), or of a fault (truncated …)"
    )
    shown: list[str] = Field(description="systems and selections in the table of results, in this order")
    figures: list[Figure] = Field(default_factory=list)
    paced: list[str] = Field(default_factory=list, description="systems whose pace is drawn")
    claims: Annotated[list[Claim], Field(min_length=1)]

    def recipe_of(self, variant: str = "") -> dict[str, Any]:
        """The recipe, or that of a variant."""
        return _changed(self.recipe, self.variants[variant]) if variant else deepcopy(self.recipe)

    @property
    def asked(self) -> list[str]:
        """The systems as they are asked: `NAME`, or `NAME@WAY` where not directly; of a variant, `VARIANT/NAME`."""
        return [
            called(variant, name if way == "direct" else f"{name}@{way}")
            for variant in ("", *self.variants)
            for name, system in _systems(self.recipe_of(variant)).items()
            for way in system.get("answers", ["direct"])
        ]

    @property
    def selections(self) -> list[str]:
        """The selections of candidates, called like the systems."""
        return [
            called(variant, n) for variant in ("", *self.variants) for n in _selected(self.recipe_of(variant))
        ]

    def share(self, family: str) -> str:
        """The share that a family of selections is of; empty for benchmarks."""
        (source, *_) = self.families[family]
        return source.removeprefix(SELECTION) if source.startswith(SELECTION) else ""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        systems, selections = set(self.asked), set(self.selections)
        named = [*self.shown, *self.paced]
        named += [s for claim in self.claims for s in (claim.method, *claim.against.values())]
        named += [s for figure in self.figures for line in figure.lines for s in line.places.values()]
        known = systems | selections
        unknown = [f"there is no system {s!r}{_near(s, known)}" for s in named if s not in known]
        families = [c.family for c in self.claims] + [f for figure in self.figures for f in figure.families]
        families += [claim.against_family for claim in self.claims if claim.against_family]
        shares = [
            (name, s) for name, sources in self.families.items() for s in sources if s.startswith(SELECTION)
        ]
        unknown += [
            f"family {name!r} is of one share, of: {', '.join(SELECTION + share for share in SHARES)}"
            for name, source in shares
            if len(self.families[name]) > 1 or source.removeprefix(SELECTION) not in SHARES
        ]
        unknown += [
            f"there is no family {f!r}{_near(f, self.families)}" for f in families if f not in self.families
        ]
        if unknown:
            raise ValueError("; ".join(dict.fromkeys(unknown)))
        return self


def called(variant: str, name: str) -> str:
    """What a system or selection of a variant is called; the main recipe's have their own names."""
    return f"{variant}/{name}" if variant else name


def _systems(recipe: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The systems, those of its rounds of refinement among them."""
    refine = recipe.get("curate", {}).get("refine")
    rounds = refine.get("rounds", 0) if refine and refine.get("score_rounds", True) else -1
    return {**recipe.get("systems", {}), **{follower(number): {} for number in range(rounds + 1)}}


def _selected(recipe: dict[str, Any]) -> list[str]:
    """The parts that are selections of candidates, those of its rounds among them."""
    refine = recipe.get("curate", {}).get("refine") or {}
    parts = [name for name, part in recipe.get("demonstrate", {}).items() if part["view"] == "selected"]
    return [*parts, *(kept(number) for number in range(1, refine.get("rounds", 0) + 1))]


def _changed(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy with changes, field by field; what is null there is taken away, and {} empties a field."""
    made = deepcopy(base)
    for key, value in changes.items():
        if value and isinstance(value, dict) and isinstance(made.get(key), dict):
            made[key] = _changed(made[key], value)
        elif value is None:
            made.pop(key, None)
        else:
            made[key] = deepcopy(value)
    return made


def _near(name: str, known: Any) -> str:
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def experiment(name: str) -> Experiment:
    """The experiment of that name. Raises `UsageError` for an unknown one, `RecipeError` where its file is wrong."""
    if name not in experiments():
        known = ", ".join(experiments())
        raise UsageError(
            Problem(
                f"there is no experiment {name!r}{_near(name, experiments())}", remedy=f"there are: {known}"
            )
        )
    return parse(f"experiment {name}", (_folder() / f"{name}.yaml").read_text(encoding="utf-8"))


def experiments() -> list[str]:
    """Names of the experiments."""
    return sorted(e.name.removesuffix(".yaml") for e in _folder().iterdir() if e.name.endswith(".yaml"))


def parse(file: str, text: str) -> Experiment:
    """An experiment from YAML. Raises `RecipeError` with all that is wrong."""
    try:
        return Experiment.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise RecipeError(Problem(f"not valid YAML: {error}", file)) from None
    except ValidationError as error:
        found = error.errors(include_url=False)
        problems = [Problem(f"{'.'.join(map(str, e['loc']))}: {e['msg']}", file) for e in found]
        raise RecipeError(*problems) from None


def _folder() -> Any:
    return resources.files("calque.lab") / "experiments"
