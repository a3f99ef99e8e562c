"""Recipes by name or file, changed by `key=value` words: all mistakes at once, each with its line and a likely remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from calque.errors import Problem, RecipeError
from calque.languages import UnknownLanguageError
from calque.languages import language as language_of
from calque.recipes.changes import change
from calque.recipes.document import Document, Places, in_order, parse
from calque.recipes.mistakes import mistakes
from calque.recipes.resolve import resolve
from calque.recipes.schema import Recipe
from calque.recipes.sound import sound_rest


@dataclass(frozen=True)
class Read:
    """A valid recipe, the folder its relative paths start from, and where each of its settings was written."""

    recipe: Recipe
    folder: Path
    places: Places = field(default_factory=Places)


def packaged() -> list[str]:
    """Names of the recipes that come with calque."""
    folder = resources.files("calque.recipes")
    return sorted(e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml"))


def read_recipe(name: str, overrides: Sequence[str] = ()) -> Read:
    """Read a recipe by packaged name or path, change it by `key=value` words, and check its form.

    Raises `RecipeError` with every problem found; if there is one, those of names and files (`resolve`) are among them.
    """
    file, text, folder = _find(name)
    document = parse(file, text)
    problems = [p for word in overrides for p in change(document, word, folder)]
    _spread_languages(document)
    recipe: Recipe | None
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        problems += mistakes(document, error)
        recipe = sound_rest(document.data)
    if problems or recipe is None:
        problems += _of_names_and_files(recipe, folder, document.places)
        raise RecipeError(*in_order(problems))
    return Read(recipe, folder, document.places)


def _of_names_and_files(recipe: Recipe | None, folder: Path, places: Places) -> Sequence[Problem]:
    try:
        if recipe is not None:
            resolve(recipe, folder, places)
    except RecipeError as error:
        return error.problems
    return ()


def _find(name: str) -> tuple[str, str, Path]:
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.y*ml")], n=1)
            remedy = (
                f"did you mean {path.parent / near[0]}?"
                if near
                else f"packaged recipes: {', '.join(packaged())}"
            )
            raise RecipeError(Problem("no such recipe file", name, remedy=remedy))
        return name, _text(path), path.parent
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return str(path / "recipe.yaml"), _text(path / "recipe.yaml"), path
    if name not in packaged():
        near = difflib.get_close_matches(name, packaged(), n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise RecipeError(
            Problem(
                f"no recipe is called {name!r}",
                remedy=f"{meant}packaged are: {', '.join(packaged())}; or give a .yaml file",
            )
        )
    text = (resources.files("calque.recipes") / f"{name}.yaml").read_text(encoding="utf-8")
    return f"recipe {name}", text, Path()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise RecipeError(Problem(f"not UTF-8: {error.reason} at byte {error.start}", str(path))) from None


def _spread_languages(document: Document) -> None:
    """`instructions: FILE` means: of each target language; with `{language}` in it, of English too."""
    sources = document.data.setdefault("sources", {})
    given = document.data.get("languages")
    codes = list(_known(given)) if isinstance(given, list) else []
    if not isinstance(sources, dict):
        return
    forms_of = {
        "instructions": (),
        "translations": ("english", "target", "file"),
        "parallel": ("english", "target", "dolly", "oasst"),
        "seed": ("english", "target", "dolly", "oasst", "questions", "answers"),
        "passages": ("files",),
    }
    for name, forms in forms_of.items():
        value = sources.get(name)
        if isinstance(value, str | list) or (
            isinstance(value, dict) and any(form in value for form in forms)
        ):
            in_english = name == "instructions" and "{language}" in str(value)
            sources[name] = dict.fromkeys(["en", *codes] if in_english else codes, value)


def _known(languages: Sequence[object]) -> Iterator[str]:
    """The codes of languages; one that is not known is the schema's to tell."""
    for name in languages:
        try:
            yield language_of(str(name)).code
        except UnknownLanguageError:
            continue
