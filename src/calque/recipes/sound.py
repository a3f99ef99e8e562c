"""The sound rest of a recipe with mistakes in it, so that one mistake does not hide the next.

What the schema refuses is taken out, one after the other, until what is left is a recipe, whose names and files can be
looked at like those of any other.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from pydantic import ValidationError

from calque.recipes.changes import is_of
from calque.recipes.document import Loc
from calque.recipes.measured import System
from calque.recipes.mistakes import VIEWS, where
from calque.recipes.schema import Recipe

SOME_LANGUAGE = ["zh"]
SOME_MODEL = "model"
STAND_INS: dict[str, Any] = {
    "name": "", "languages": SOME_LANGUAGE, "sources": {}, "demonstrate": {},
    "systems": {"base": {}},
}  # fmt: skip


def sound_rest(data: Mapping[str, Any]) -> Recipe | None:
    """What is left of a recipe's values; None where that is too little.

    If sources or parts were touched, no system is blamed for the lack of them; if the languages had to go, there are none.
    """
    rest = deepcopy(dict(data))
    touched: set[str] = set()
    while not isinstance(found := _recipe_or_error(rest), Recipe):
        loc = where(rest, found)
        if not loc:
            return None
        touched.add(str(loc[0]))
        _mend(rest, loc, found)
    changes: dict[str, Any] = {}
    if touched & {"sources", "demonstrate"}:
        skipped = {"when_missing": "skip"}
        changes["systems"] = {
            role: s.model_copy(update=skipped) if isinstance(s, System) else s
            for role, s in found.systems.items()
        }
    if "model" in touched:
        changes["model"] = found.model.model_copy(update={"path": SOME_MODEL})
    if rest["languages"] is SOME_LANGUAGE:
        changes["languages"] = []
    return found.model_copy(update=changes)


def _recipe_or_error(rest: dict[str, Any]) -> Recipe | Mapping[str, Any]:
    """The recipe, or the first mistake in it."""
    try:
        return Recipe.model_validate(rest)
    except ValidationError as error:
        return error.errors(include_url=False)[0]


def _mend(rest: dict[str, Any], loc: Loc, error: Mapping[str, Any]) -> None:
    """Put in place of one mistake what was meant, where that is plain; else take it out."""
    compared = rest.get("comparisons")
    if error["type"] == "missing" and len(loc) == 1:
        rest[str(loc[0])] = STAND_INS[str(loc[0])]
        _forget(rest, loc)
    elif error["type"] == "missing":
        _take_out(rest, loc[:-1])
    elif error["type"] == "union_tag_invalid" and (near := _near(error["ctx"]["tag"])):
        rest["demonstrate"][loc[1]]["view"] = near
    elif (
        loc[0] == "comparisons"
        and isinstance(compared, list)
        and [type(name) for name in compared] == [str, str]
    ):
        rest["comparisons"] = [compared]
    elif loc[0] == "systems" and loc[2:3] == ("mix",) and len(loc) == 4:
        rest["systems"][loc[1]]["mix"][loc[3]] = "all"
    else:
        _take_out(rest, loc)


def _near(view: str) -> str:
    return next(iter(difflib.get_close_matches(view, VIEWS, n=1)), "")


def _take_out(rest: dict[str, Any], loc: Loc) -> None:
    holder: Any = rest
    for part in loc[:-1]:
        holder = holder[part]
    del holder[loc[-1]]
    _forget(rest, loc)


def _forget(rest: dict[str, Any], loc: Loc) -> None:
    """Of a part or a system that is gone, or of all, drop what names it: the name was no mistake."""
    if loc[0] == "demonstrate" and len(loc) < 3:
        for system in _mapping(rest.get("systems")).values():
            mix = _mapping(_mapping(system).get("mix"))
            for name in loc[1:] or list(mix):
                mix.pop(name, None)
    if loc[0] == "systems" and len(loc) < 3 and isinstance(rest.get("comparisons"), list):
        rest["comparisons"] = [
            pair
            for pair in rest["comparisons"]
            if len(loc) == 2 and isinstance(pair, list) and not is_of(str(loc[1]), pair)
        ]


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}
