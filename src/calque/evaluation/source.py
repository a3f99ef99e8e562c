"""Which files a benchmark is given: names, folders and patterns to files, and the digest that says what they held."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from calque.corpora.files import expand, sha256_of
from calque.errors import DataError, Problem


def gather(given: Sequence[str | Path], ending: str, folders: Sequence[str] = ()) -> list[Path]:
    """The files that are meant, folders standing for their `*ending` and `*ending.gz`.

    A folder that has one of the sub-folders `folders` stands for that one (MMLU's `test`).
    """
    files: list[Path] = []
    for name in given:
        files += _folder(Path(name), ending, folders) if Path(name).is_dir() else expand(name)
    if not files:
        raise DataError(Problem("no file was given to evaluate on"))
    return list(dict.fromkeys(files))


def _folder(folder: Path, ending: str, folders: Sequence[str]) -> list[Path]:
    inner = next((folder / name for name in folders if (folder / name).is_dir()), folder)
    found = sorted(p for p in inner.iterdir() if p.is_file() and p.name.endswith((ending, ending + ".gz")))
    if not found:
        raise DataError(Problem(f"the folder holds no {ending} file", str(inner)))
    return found


def digest(files: Iterable[Path]) -> str:
    """8 hex digits of the sha256 over the files' sha256, in order."""
    return hashlib.sha256("\n".join(sha256_of(path) for path in files).encode()).hexdigest()[:8]


def stem(path: Path) -> str:
    """The name without its endings (`x.csv.gz` → `x`)."""
    return path.name.split(".", 1)[0]


def is_utf8(text: str) -> bool:
    """Whether the text can be written as UTF-8: JSON and undecodable bytes may hold halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
