"""Suites of benchmarks on any model, without a recipe: the files are found by their names, and a recipe is made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from calque.errors import CalqueError, DataError, Problem, UsageError
from calque.evaluation.asked import items_of
from calque.evaluation.benchmarks import benchmark_of
from calque.evaluation.shots import NONE, Shots, told
from calque.languages import language as language_of
from calque.recipes.mistakes import plain
from calque.recipes.official_files import OFFICIAL, SUITES, find
from calque.recipes.reading import Read
from calque.recipes.schema import Recipe


@dataclass(frozen=True, slots=True)
class Found:
    """A benchmark in a language: its files and how many questions they hold, or, without questions, why not.

    `examples` says in words which worked examples stand before each question, if any do.
    """

    benchmark: str
    language: str
    files: tuple[Path, ...]
    questions: int
    why_not: str = ""
    examples: str = ""


def look(
    suite: str, languages: Sequence[str], data: Path, prompt_language: str = "item", shots: int = 0
) -> tuple[Found, ...]:
    """Every benchmark of a suite in every language, English first, each read once. Raises where nothing is found."""
    if not data.is_dir():
        raise DataError(Problem("there is no such folder", str(data), remedy="say --data FOLDER"))
    found = tuple(
        _look(benchmark, code, data, prompt_language, shots)
        for benchmark in SUITES[suite]
        for code in codes_of(languages)
        if code != "en" or OFFICIAL[benchmark].in_english
    )
    if not any(one.questions for one in found):
        sources = "; ".join(f"{name}: {OFFICIAL[name].source}" for name in SUITES[suite])
        message = f"no file of the suite {suite} is here for {', '.join(languages)}"
        raise DataError(
            Problem(message, str(data), remedy=f"get them, under their own names, from {sources}")
        )
    return found


def codes_of(languages: Sequence[str]) -> list[str]:
    """The codes to score in: English, and those that were asked for."""
    return list(dict.fromkeys(["en", *(language_of(code).code for code in languages)]))


def _look(benchmark: str, code: str, data: Path, prompt_language: str, shots: int) -> Found:
    files = tuple(find(benchmark, code, data))
    if not files:
        return Found(benchmark, code, (), 0, f"not found; from {OFFICIAL[benchmark].source}")
    try:
        shown = Shots(shots) if benchmark_of(benchmark).shows else NONE
        asked = items_of(benchmark, files, code, prompt_language=prompt_language, shots=shown)
    except CalqueError as error:
        return Found(benchmark, code, files, 0, error.problems[0].message)
    return Found(benchmark, code, files, len(asked.items), examples=told(asked.shots))


def recipe_of(
    found: Sequence[Found],
    model: str | Mapping[str, Any],
    *,
    suite: str,
    seed: int = 0,
    limit: int | None = None,
    template: str = "alpaca",
    prompt_language: str = "item",
    shots: int = 0,
) -> Read:
    """The recipe that scores the model as it is on what was found; its paths start from the working folder.

    `model` is a folder or a hub id, or the settings of a model behind a server, with `template` in place of its own.
    """
    codes = list(dict.fromkeys(one.language for one in found))
    targets = [code for code in codes if code != "en"]
    if not targets:
        remedy = "say --language with another one; English is scored beside it"
        raise UsageError(Problem("English is no target language", "command line", remedy=remedy))
    evaluate: dict[str, Any] = {
        "languages": codes,
        "prompt_language": prompt_language,
        "limit": limit,
        "shots": shots,
    }
    for one in found:
        if one.questions:
            evaluate.setdefault(one.benchmark, {})[one.language] = [str(path) for path in one.files]
    recipe: dict[str, Any] = {
        "name": suite,
        "seed": seed,
        "languages": targets,
        "model": {"template": template, **({"path": model} if isinstance(model, str) else {})},
        "sources": {},
        "demonstrate": {},
        "systems": {"base": {}} if isinstance(model, str) else {"served": {**model, "template": template}},
        "evaluate": evaluate,
    }
    try:
        return Read(Recipe.model_validate(recipe), Path())
    except ValidationError as error:
        raise UsageError(*(_on_command_line(one) for one in error.errors(include_url=False))) from None


def _on_command_line(error: Mapping[str, Any]) -> Problem:
    """What is wrong with an option: of all that makes the recipe, only the server's are not checked by then."""
    ours = error.get("ctx", {}).get("error")
    if isinstance(ours, ValueError) and isinstance(ours.args[0], Problem):
        return Problem(ours.args[0].message, "command line", remedy=ours.args[0].remedy)
    return Problem(f"--{error['loc'][-1]}: {plain(error['msg'])}", "command line")
