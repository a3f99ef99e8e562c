"""Recipes from YAML and from `key=value` words: all mistakes at once, each with its line and a likely remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from calque.errors import Problem, RecipeError, UsageError
from calque.recipes.schema import InstructionPart, Recipe, System, TranslationPart

Loc = tuple[str | int, ...]
COMMAND_LINE = "command line"
SHORT = {
    "model": ("model", "path"),
    "language": ("languages",),
    "instructions": ("sources", "instructions"),
    "translations": ("sources", "translations"),
}  # words of the command line that stand for longer ones
REMOVABLE = ("systems", "demonstrate")  # what `NAME=null` takes out of a recipe


@dataclass(frozen=True)
class Read:
    """A valid recipe, the folder its relative paths start from, and its text before anything was changed."""

    recipe: Recipe
    folder: Path


@dataclass
class _Document:
    """A recipe's plain values, and the place of each, by path from the root."""

    file: str
    data: dict[str, Any]
    places: dict[Loc, tuple[str, int | None]]

    def place(self, loc: Loc) -> tuple[str, int | None]:
        """File and line of the innermost known part of `loc`."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self.places:
                return self.places[loc[:end]]
        return self.file, None


def packaged() -> list[str]:
    """Names of the recipes that come with calque."""
    folder = resources.files("calque.recipes")
    return sorted(e.name.removesuffix(".yaml") for e in folder.iterdir() if e.name.endswith(".yaml"))


def read_recipe(name: str, overrides: Sequence[str] = ()) -> Read:
    """Read a recipe by packaged name or path, change it by `key=value` words, and check its form.

    Raises `RecipeError` with every problem found.
    """
    file, text, folder = _find(name)
    document = _parse(file, text)
    problems = [p for word in overrides for p in _override(document, word, folder)]
    _spread_languages(document)
    try:
        recipe = Recipe.model_validate(document.data)
    except ValidationError as error:
        problems += [_problem(document, e) for e in error.errors(include_url=False)]
    if problems:
        raise RecipeError(*_without_repeats(problems))
    return Read(recipe, folder)


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
        try:
            return name, path.read_text(encoding="utf-8"), path.parent
        except UnicodeDecodeError as error:
            raise RecipeError(Problem(f"not UTF-8: {error.reason} at byte {error.start}", name)) from None
    if path.is_dir() and (path / "recipe.yaml").is_file():
        return str(path / "recipe.yaml"), (path / "recipe.yaml").read_text(encoding="utf-8"), path
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


def _parse(file: str, text: str) -> _Document:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise RecipeError(Problem(f"not valid YAML: {error.problem}", file, line)) from None
    except yaml.YAMLError as error:
        raise RecipeError(Problem(f"not valid YAML: {error}", file)) from None
    if not isinstance(data, dict):
        raise RecipeError(Problem("a recipe is a mapping of settings", file, 1))
    places: dict[Loc, tuple[str, int | None]] = {}
    problems: list[Problem] = []
    _walk(root, (), file, places, problems)
    if problems:
        raise RecipeError(*problems)
    return _Document(file, data, places)


def _walk(
    node: Any, loc: Loc, file: str, places: dict[Loc, tuple[str, int | None]], problems: list[Problem]
) -> None:
    places.setdefault(loc, (file, node.start_mark.line + 1))
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                problems.append(
                    Problem(f"{key.value!r} stands twice, first in line {seen[key.value]}", file, line)
                )
            seen[key.value] = line
            places[(*loc, key.value)] = (file, line)
            _walk(value, (*loc, key.value), file, places, problems)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            _walk(value, (*loc, i), file, places, problems)


def _override(document: _Document, word: str, folder: Path) -> list[Problem]:
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(Problem(f"{word!r} is not of the form key=value", COMMAND_LINE))
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        value = text
    path: Loc = tuple(key.split("."))
    head = SHORT.get(str(path[0]))
    if head is not None and (key != "model" or not isinstance(value, dict)):
        path = head if path == ("model",) else (*(head[:1] if path[0] == "model" else head), *path[1:])
    if path == ("languages",) and isinstance(value, str):
        value = [code.strip() for code in value.split(",")]
    if path[:1] in (("sources",), ("evaluate",)) or path == ("model", "path"):
        value = _from_here(value, folder, path)
    target: Any = document.data
    for i, part in enumerate(path[:-1]):
        if not isinstance(target, dict):
            return [Problem(f"{'.'.join(map(str, path[:i]))} has no part {part!r}", COMMAND_LINE)]
        if not isinstance(target.get(part), dict):
            target[part] = {}
        target = target[part]
    if value is None and path[0] in REMOVABLE and len(path) == 2:
        target.pop(path[-1], None)
        compared = document.data.get("comparisons")
        if path[0] == "systems" and isinstance(compared, list):
            document.data["comparisons"] = [
                pair for pair in compared if not (isinstance(pair, list) and path[1] in pair)
            ]
        return []
    target[path[-1]] = value
    document.places = {loc: place for loc, place in document.places.items() if loc[: len(path)] != path}
    document.places[path] = (f"{COMMAND_LINE} ({word})", None)
    return []


def _from_here(value: Any, folder: Path, path: Loc) -> Any:
    """Paths on the command line start from the working folder, those of a recipe from the recipe's folder."""
    if isinstance(value, dict):
        return {k: _from_here(v, folder, (*path, k)) for k, v in value.items()}
    if isinstance(value, list):
        return [_from_here(v, folder, path) for v in value]
    plain = path[-1] in (
        "languages",
        "prompt_language",
        "precision",
        "limit",
        "licence",
        "english_column",
        "target_column",
    )
    if not isinstance(value, str) or plain or folder == Path():
        return value
    if path == ("model", "path") and not Path(value).expanduser().exists():
        return value  # a hub id
    return str(Path(value).expanduser().absolute())


def _spread_languages(document: _Document) -> None:
    """`instructions: FILE` means: of each target language; with `{language}` in it, of English too."""
    sources = document.data.get("sources")
    languages = document.data.get("languages")
    if not isinstance(sources, dict) or not isinstance(languages, list):
        document.data.setdefault("sources", {})
        return
    for field, forms in (("instructions", ()), ("translations", ("english", "target", "file"))):
        value = sources.get(field)
        is_source = isinstance(value, str | list) or (
            isinstance(value, dict) and any(f in value for f in forms)
        )
        if value is None or not is_source:
            continue
        codes = list(languages)
        if field == "instructions" and "{language}" in str(value):
            codes = ["en", *codes]
        sources[field] = {str(code): value for code in codes}


def _problem(document: _Document, error: Any) -> Problem:
    loc = tuple(part for part in error["loc"] if part not in ("instruction", "translation"))
    if error["type"] not in ("extra_forbidden", "missing"):
        loc = _written(document.data, loc)
    file, line = document.place(loc)
    name = ".".join(map(str, loc))
    kind, message, remedy = error["type"], str(error["msg"]), ""
    if kind == "extra_forbidden":
        fields = _fields(loc[:-1])
        near = difflib.get_close_matches(
            str(loc[-1]), [*fields, *(SHORT if len(loc) == 1 else ())], n=1, cutoff=0.5
        )
        message = f"there is no setting {name!r}"
        remedy = f"did you mean {near[0]!r}?" if near else f"settings here are: {', '.join(sorted(fields))}"
    elif kind == "missing":
        message = f"{name!r} is missing"
        if loc == ("languages",):
            remedy = "say language=zh, or languages=[zh, it]"
        elif loc[0] == "model":
            remedy = "say model=FOLDER_OR_HUB_ID"
    else:
        plain = message.removeprefix("Value error, ").removeprefix("Input ")
        message = f"{name}: {plain[0].lower()}{plain[1:]}"
        if "input" in error and isinstance(error["input"], str | int | float | bool):
            message += f", not {error['input']!r}"
        near = difflib.get_close_matches(str(error.get("input")), _expected(error), n=1)
        remedy = f"did you mean {near[0]!r}?" if near else ""
    return Problem(message, file, line, remedy)


def _written(data: Any, loc: Loc) -> Loc:
    """`loc` as far as it stands in the document: behind that come the names of a union's arms."""
    for i, part in enumerate(loc):
        inside = part in data if isinstance(data, dict) else isinstance(data, list) and isinstance(part, int)
        if not inside:
            return loc[:i]
        data = data[part]
    return loc


def _expected(error: Any) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    return [word.strip().strip("'") for word in expected.replace(" or ", ",").split(",") if word.strip()]


def _fields(loc: Loc) -> list[str]:
    """Names of the settings at `loc`, as far as the schema fixes them."""
    named = {"systems": (System,), "demonstrate": (InstructionPart, TranslationPart)}
    form: type[BaseModel] = Recipe
    for part in loc:
        field = form.model_fields.get(str(part))
        annotation = field.annotation if field is not None else None
        if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
            return sorted({name for found in named.get(str(loc[0]), ()) for name in found.model_fields})
        form = annotation
    return list(form.model_fields)


def _without_repeats(problems: list[Problem]) -> list[Problem]:
    """A union of forms reports each of its arms: one problem a place will do."""
    kept: dict[tuple[str, int | None, str], Problem] = {}
    for problem in problems:
        head = problem.message.split(":", 1)[0]
        kept.setdefault((problem.file, problem.line, head), problem)
    return list(kept.values())
