"""The form of an experiment: a recipe, what is measured of its systems, and the claims that the figures are to bear out.

Adding an experiment is one file in `experiments/`.
"""

from __future__ import annotations

import difflib
from importlib import resources
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from calque.errors import Problem, RecipeError, UsageError

Asked = Literal["x", "en"]
Split = Literal["all", "covered", "uncovered"]
Measure = Literal["score", "language"]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(_Form):
    """One sentence that can turn out true or not: `method` beats each system that it is held `against`."""

    says: str = Field(description="the claim")
    paper: str = Field("", description="what the paper says, with its place")
    family: str = Field(description="what is measured; one of the experiment's families")
    method: str = Field(description="the system that is to be better")
    against: dict[str, str] = Field(min_length=1, description="baselines, by how the comparison is made")
    asked: Asked = Field("x", description="language of the questions")
    against_asked: Asked | None = Field(
        None, description="language of the questions to the baselines, where another; the items are the same"
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
    recipe: dict[str, Any] = Field(description="as in a recipe's file, without seed and languages")
    families: dict[str, list[str]] = Field(description="benchmarks, or BENCHMARK/GROUP, by name")
    shown: list[str] = Field(description="systems in the table of results, in this order")
    figures: list[Figure] = Field(default_factory=list)
    paced: list[str] = Field(default_factory=list, description="systems whose pace is drawn")
    claims: Annotated[list[Claim], Field(min_length=1)]

    @property
    def asked(self) -> list[str]:
        """The systems as they are asked: `NAME`, or `NAME@WAY` where not directly."""
        ways = (
            (name, way) for name, s in self.recipe["systems"].items() for way in s.get("answers", ["direct"])
        )
        return [name if way == "direct" else f"{name}@{way}" for name, way in ways]

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        systems = set(self.asked)
        named = [*self.shown, *self.paced]
        named += [s for claim in self.claims for s in (claim.method, *claim.against.values())]
        named += [s for figure in self.figures for line in figure.lines for s in line.places.values()]
        unknown = [f"there is no system {s!r}{_near(s, systems)}" for s in named if s not in systems]
        families = [c.family for c in self.claims] + [f for figure in self.figures for f in figure.families]
        unknown += [
            f"there is no family {f!r}{_near(f, self.families)}" for f in families if f not in self.families
        ]
        if unknown:
            raise ValueError("; ".join(dict.fromkeys(unknown)))
        return self


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
