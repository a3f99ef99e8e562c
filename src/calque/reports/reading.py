"""The rim: JSON files of a run folder, with errors that name file and line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from calque.errors import Problem, RunError

T = TypeVar("T")


def read_text(path: Path) -> str:
    """The text of a file, or nothing where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise RunError(Problem(f"is not UTF-8 (byte {error.start})", file=str(path))) from None


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no file."""
    text = read_text(path)
    if not text:
        return {}
    value = _parse(text, path, None)
    if not isinstance(value, dict):
        raise RunError(Problem(f"holds {type(value).__name__}, not an object", file=str(path)))
    return value


def read_list(path: Path) -> list[dict[str, Any]]:
    """The list of objects in a JSON file; empty where there is no file."""
    text = read_text(path)
    if not text:
        return []
    value = _parse(text, path, None)
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RunError(Problem("is no list of objects", file=str(path)))
    return value


def read_rows(
    path: Path, form: Callable[[Mapping[str, Any]], T], *, being_written: bool = False
) -> Iterator[T]:
    """The rows of a JSONL file, each put into its form; none where there is no file.

    The last line of a file that is still `being_written` may be torn, and is then left out.
    """
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            if being_written and not line.endswith("\n"):
                return
            if line.strip():
                value = _parse(line, path, number)
                yield shaped(partial(form, value), path, number)


def shaped(make: Callable[[], T], path: Path, line: int | None = None) -> T:
    """Whatever `make` makes of a row; a field that is missing or of another type is an error with its place."""
    try:
        return make()
    except KeyError as missing:
        raise RunError(Problem(f"field {missing} is missing", file=str(path), line=line)) from None
    except (TypeError, ValueError, AttributeError) as error:
        raise RunError(Problem(f"a field is of another form: {error}", file=str(path), line=line)) from None


def number(value: object) -> float:
    """A figure that may be unknown (null): NaN then."""
    return math.nan if value is None else float(value)  # type: ignore[arg-type]


def _parse(text: str, path: Path, line: int | None) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise RunError(
            Problem(f"is not JSON: {error.msg}", file=str(path), line=line or error.lineno)
        ) from None
