"""A recipe as plain values, with the place of each: file and line, or the word of the command line that set it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from calque.errors import Problem, RecipeError

Loc = tuple[str | int, ...]
Place = tuple[str, int | None]


@dataclass(frozen=True)
class Places:
    """Where the settings of a recipe were written, by their paths from its root."""

    file: str = ""
    known: dict[Loc, Place] = field(default_factory=dict)

    def at(self, loc: Loc) -> Place:
        """File and line of the innermost known part of `loc`."""
        for end in range(len(loc), -1, -1):
            if loc[:end] in self.known:
                return self.known[loc[:end]]
        return self.file, None

    def problem(self, loc: Loc, message: str, remedy: str = "") -> Problem:
        """What is wrong with the setting at `loc`, and where that was written."""
        return Problem(f"{dotted(loc)}: {message}", *self.at(loc), remedy)

    def forget(self, loc: Loc) -> None:
        """Drop what is known below `loc`: something else stands there now."""
        for inner in [known for known in self.known if len(known) > len(loc) and known[: len(loc)] == loc]:
            del self.known[inner]


@dataclass(frozen=True)
class Document:
    """A recipe's plain values and their places; both change as the command line changes them."""

    data: dict[str, Any]
    places: Places


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Each problem once, in the order in which the recipe is read."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.file, problem.line or 0))


def dotted(loc: Loc) -> str:
    """A path as it is written on the command line."""
    return ".".join(map(str, loc))


def parse(file: str, text: str) -> Document:
    """A recipe's text. Raises `RecipeError` where it is no YAML, no mapping, or has a setting twice."""
    try:
        data, known = load(text, file)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise RecipeError(Problem(f"not valid YAML: {error.problem}", file, line)) from None
    except yaml.YAMLError as error:
        raise RecipeError(Problem(f"not valid YAML: {error}", file)) from None
    if not isinstance(data, dict):
        raise RecipeError(Problem("a recipe is a mapping of settings", file, 1))
    return Document(data, Places(file, known))


def load(text: str, file: str) -> tuple[Any, dict[Loc, Place]]:
    """YAML to plain values and their places. Raises `yaml.YAMLError`, and `RecipeError` for what no recipe can hold."""
    known: dict[Loc, Place] = {}
    try:
        problems = list(_walk(yaml.compose(text, Loader=yaml.SafeLoader), (), file, known, ()))
    except RecursionError:
        raise RecipeError(Problem("is nested too deep to be read", file)) from None
    if problems:
        raise RecipeError(*problems)
    try:
        return yaml.safe_load(text), known
    except ValueError as error:  # a date that is none: 2024-13-01
        raise RecipeError(Problem(f"not valid YAML: {error}", file)) from None


def _walk(
    node: yaml.Node | None, loc: Loc, file: str, known: dict[Loc, Place], above: tuple[yaml.Node, ...]
) -> Iterator[Problem]:
    """Note the place of `node` and of all below it; keys that stand twice, and values that hold themselves, are told."""
    if node is None:
        return
    line = node.start_mark.line + 1
    known.setdefault(loc, (file, line))
    if any(node is outer for outer in above):
        yield Problem("a list or mapping holds itself", *known[loc])
    elif isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # which the constructor refuses
            line = key.start_mark.line + 1
            if key.value in seen:
                message = f"{key.value!r} stands twice, first in line {seen[key.value]}"
                yield Problem(message, file, line)
            seen[key.value] = line
            known[*loc, key.value] = (file, line)
            yield from _walk(value, (*loc, key.value), file, known, (*above, node))
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            yield from _walk(value, (*loc, i), file, known, (*above, node))
