"""Words of the command line, `key=value`, that change a recipe."""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from calque.corpora.hub import is_on_hub
from calque.errors import Problem, RecipeError, UsageError
from calque.evaluation.shots import ASKED
from calque.recipes.document import Document, Loc, load
from calque.recipes.schema import BENCHMARK_FIELDS

COMMAND_LINE = "command line"
SHORT = {
    "model": ("model", "path"),
    "language": ("languages",),
    "instructions": ("sources", "instructions"),
    "translations": ("sources", "translations"),
    "parallel": ("sources", "parallel"),
    "seed_pairs": ("sources", "seed"),
    "passages": ("sources", "passages"),
}  # words of the command line that stand for longer ones
NAMED = {
    "systems": ("system", "mix"),
    "demonstrate": ("part", "view"),
}  # what a name there names, and what it must say
HOLDING_FILES = {
    ("judge", "known"),
    ("evaluate", "examples"),
    *(("sources", name) for name in ("instructions", "translations", "parallel", "seed", "passages")),
} | {*(("evaluate", name) for name in BENCHMARK_FIELDS)}
NO_FILES = ("unit", "markup", "text_field", "licence")  # settings beside files


def change(document: Document, word: str, folder: Path) -> list[Problem]:
    """Carry one word out on a recipe whose paths start from `folder`; what is wrong with it is returned."""
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise UsageError(Problem(f"{word!r} is not of the form key=value", COMMAND_LINE))
    place = (f"{COMMAND_LINE} ({word})", None)
    try:
        value, _ = load(text, place[0])
    except yaml.YAMLError:
        value = text
    except RecipeError as error:
        return [replace(problem, line=None) for problem in error.problems]
    loc: Loc = tuple(key.split("."))
    head = SHORT.get(str(loc[0]))
    if head is not None and (key != "model" or not isinstance(value, dict)):
        loc = head if loc == ("model",) else (*(head[:1] if loc[0] == "model" else head), *loc[1:])
    if loc == ("languages",) and isinstance(value, str):
        value = [code.strip() for code in value.split(",")]
    if unknown := _unknown_name(document.data, loc, value):
        return [Problem(unknown[0], *place, unknown[1])]
    if value is None and loc[0] in NAMED and len(loc) == 2:
        _take_out(document, loc)
    else:
        _put(document, loc, _from_here(value, folder, loc), place)
    return []


def _put(document: Document, loc: Loc, value: Any, place: tuple[str, None]) -> None:
    target: Any = document.data
    for i, part in enumerate(loc[:-1], start=1):
        if not isinstance(target.get(part), dict):
            target[part] = {}
            document.places.known[loc[:i]] = place
        target = target[part]
    target[loc[-1]] = value
    document.places.forget(loc)
    document.places.known[loc] = place


def _take_out(document: Document, loc: Loc) -> None:
    """Leave a system or a part out, and with a system its comparisons."""
    del document.data[str(loc[0])][loc[1]]
    compared = document.data.get("comparisons")
    if loc[0] == "systems" and isinstance(compared, list):
        document.data["comparisons"] = [
            pair for pair in compared if not (isinstance(pair, list) and is_of(str(loc[1]), pair))
        ]
        document.places.forget(("comparisons",))  # they have moved up


def is_of(system: str, pair: list[Any]) -> bool:
    """Whether a comparison names a system, asked in whatever way (`xcit`, `xcit@chat`)."""
    return any(isinstance(name, str) and name.partition("@")[0] == system for name in pair)


def _unknown_name(data: dict[str, Any], loc: Loc, value: Any) -> tuple[str, str] | None:
    """What is wrong with a word that names a system or a part which is not there, unless it gives it whole."""
    if len(loc) < 2 or loc[0] not in NAMED:
        return None
    what, needed = NAMED[str(loc[0])]
    known = data.get(str(loc[0]))
    known = list(map(str, known)) if isinstance(known, dict) else []
    whole = (
        len(loc) == 2 and isinstance(value, dict) and (needed in value or (not value and what == "system"))
    )
    if loc[1] in known or whole:
        return None
    near = difflib.get_close_matches(str(loc[1]), known, n=1)
    whole_one = f"{loc[0]}.{loc[1]}={{{needed}: …}}"
    remedy = (
        f"did you mean {near[0]!r}?"
        if near
        else f"there are: {', '.join(known)}; for a new one say {whole_one}"
    )
    return f"there is no {what} {loc[1]!r}", remedy


def _from_here(value: Any, folder: Path, loc: Loc) -> Any:
    """Paths on the command line start from the working folder, those of a recipe from the recipe's folder."""
    if isinstance(value, dict):
        return {key: _from_here(inner, folder, (*loc, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_from_here(inner, folder, loc) for inner in value]
    if not isinstance(value, str) or folder == Path() or not _is_path(value, loc):
        return value
    return str(Path(value).expanduser().absolute())


def _is_path(value: str, loc: Loc) -> bool:
    if is_on_hub(value):
        return False
    if loc == ("model", "path"):
        return Path(value).expanduser().exists()  # else the id of a model on the hub
    if loc == ("model", "template"):
        return value.endswith((".yaml", ".yml"))
    if loc[:2] == ("evaluate", "examples") and value == ASKED:
        return False
    return loc[:2] in HOLDING_FILES and loc[-1] not in NO_FILES
