"""What the schema says against a recipe, in words: the place of each mistake, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from calque.errors import Problem
from calque.recipes.changes import SHORT
from calque.recipes.document import Document, Loc, dotted
from calque.recipes.measured import ServedSystem, System
from calque.recipes.schema import Recipe
from calque.recipes.views import Part


def _view(form: type[BaseModel]) -> tuple[str, ...]:
    """The `view` by which a form is told from the others of its union, if it is."""
    field = form.model_fields.get("view")
    return get_args(field.annotation) if field is not None else ()


VIEWS = [view for form in get_args(get_args(Part)[0]) for view in _view(form)]
SAY_VIEW = "say " + ", or ".join(f"view: {view}" for view in VIEWS)
TAGGED: dict[str, type[BaseModel]] = {"tuned": System, "served": ServedSystem}
WHAT_TO_SAY: dict[Loc, str] = {
    ("languages",): "say language=zh, or languages=[zh, it]",
}


def mistakes(document: Document, error: ValidationError) -> list[Problem]:
    """A problem for each mistake."""
    found = _of_nearest_arms(document.data, error.errors(include_url=False))
    return list(dict.fromkeys(_problem(document, one) for one in found))


def where(data: Any, error: Mapping[str, Any]) -> Loc:
    """The path of an error as it stands in the document: pydantic puts the names of a union's arms in between."""
    found = tuple(part for part, stands in _standing(data, error["loc"]) if stands)
    return (*found, error["loc"][-1]) if error["type"] == "missing" else found


def _standing(data: Any, loc: Loc) -> Iterator[tuple[str | int, bool]]:
    """The parts of a path, each with whether it stands in the document."""
    for part in loc:
        listed = isinstance(data, list) and isinstance(part, int) and part < len(data)
        stands = listed or (isinstance(data, dict) and part in data)
        data = data[part] if stands else data
        yield part, stands


def _of_nearest_arms(data: Any, errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The errors, of the arms of a union only those of the one that comes nearest: all of them report."""
    kept: list[Mapping[str, Any]] = []
    unions: dict[Loc, dict[str | int, list[Mapping[str, Any]]]] = {}
    for error in errors:
        loc = error["loc"][:-1] if error["type"] == "missing" else error["loc"]
        gaps = [i for i, (_, stands) in enumerate(_standing(data, loc)) if not stands]
        if gaps:
            unions.setdefault(loc[: gaps[-1]], {}).setdefault(loc[gaps[-1]], []).append(error)
        else:
            kept.append(error)
    for union, arms in unions.items():
        of_another_kind = {
            arm: all(e["type"] != "missing" and len(e["loc"]) == len(union) + 1 for e in found)
            for arm, found in arms.items()
        }
        kept += arms[min(arms, key=lambda arm: (of_another_kind[arm], len(arms[arm])))]
    return kept


def plain(message: str) -> str:
    """Pydantic's words without its own ways of beginning them."""
    text = message.removeprefix("Value error, ").removeprefix("Input ")
    return f"{text[:1].lower()}{text[1:]}"


def _problem(document: Document, error: Mapping[str, Any]) -> Problem:
    loc, kind, given = where(document.data, error), error["type"], error.get("input")
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        fields = [name for name in _fields(loc, error["loc"]) if name != loc[-1]]
        near = _near(str(loc[-1]), [*fields, *(SHORT if len(loc) == 1 else ())], cutoff=0.5)
        remedy = near or f"settings here are: {', '.join(sorted(fields))}"
        return Problem(f"there is no setting {dotted(loc)!r}", *document.places.at(loc), remedy)
    if kind == "missing":
        return Problem(f"{dotted(loc)!r} is missing", *document.places.at(loc), WHAT_TO_SAY.get(loc, ""))
    if kind == "union_tag_not_found":
        loc = (*loc, "view")
        return Problem(f"{dotted(loc)!r} is missing", *document.places.at(loc), SAY_VIEW)
    if kind == "union_tag_invalid":
        remedy = _near(str(context["tag"]), VIEWS) or SAY_VIEW
        return document.places.problem((*loc, "view"), f"there is no view {context['tag']!r}", remedy)
    if kind == "tuple_type":
        return document.places.problem(loc[:1], "each is a pair of systems", "say [[BASELINE, METHOD]]")
    if isinstance(context.get("error"), ValueError) and isinstance(context["error"].args[0], Problem):
        ours = context["error"].args[0]
        if loc[0] == "languages":  # of which the command line says language=it,zh
            place = document.places.at(loc)
            name = "language" if "(language=" in place[0] else "languages"
            return Problem(f"{name}: {ours.message}", *place, ours.remedy)
        return document.places.problem(loc, ours.message, ours.remedy)
    message = plain(str(error["msg"]))
    if isinstance(given, str | int | float | bool):
        message += f", not {given!r}"
    return document.places.problem(loc, message, _near(str(given), _quoted(str(context.get("expected", "")))))


def _near(name: str, known: Sequence[str], cutoff: float = 0.6) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return f"did you mean {near[0]!r}?" if near else ""


def _quoted(text: str) -> list[str]:
    """The words of "'a', 'b' or 'c'"."""
    return [word.strip().strip("'") for word in text.replace(" or ", ",").split(",") if word.strip()]


def _fields(loc: Loc, arms: Loc) -> list[str]:
    """Names of the settings beside the last of `loc`, in the arms of unions that pydantic named in `arms`."""
    others = {form for tag, form in TAGGED.items() if tag not in arms}
    forms = [form for form in _forms(loc[:-1]) if not _view(form) or set(_view(form)) & set(arms)]
    forms = [form for form in forms if form not in others]
    return sorted({name for form in forms for name in form.model_fields})


def _forms(loc: Loc) -> list[type[BaseModel]]:
    """The forms that the schema allows at `loc`."""
    reached: list[Any] = [Recipe]
    for part in loc:
        reached = [inner for form in reached for inner in _inside(form, str(part))]
    return [form for form in reached if isinstance(form, type) and issubclass(form, BaseModel)]


def _inside(form: Any, part: str) -> Iterator[Any]:
    if isinstance(form, type) and issubclass(form, BaseModel):
        if part in form.model_fields:
            yield from _arms(form.model_fields[part].annotation)
    elif get_origin(form) in (dict, list):
        yield from _arms(get_args(form)[-1])


def _arms(annotation: Any) -> Iterator[Any]:
    """A type, or the types of a union, without what is annotated."""
    if get_origin(annotation) is Annotated:
        yield from _arms(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, UnionType):
        for arm in get_args(annotation):
            yield from _arms(arm)
    else:
        yield annotation
