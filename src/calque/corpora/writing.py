"""Files written whole or not at all: temporary file, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def atomic(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file to write, which takes its name only when all is written; on an error nothing is left.

    Until then it is `.NAME.partial` in the same folder, which is made if need be. A kill leaves that at most.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f".{final.name}.partial")
    try:
        with partial.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(final)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    fsync_folder(final.parent)


def fsync_folder(folder: str | Path) -> None:
    """Make sure that the names in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def open_to_all(folder: str | Path) -> None:
    """Let those who may read a folder read its weights: safetensors shuts its files to all but their owner."""
    mode = Path(folder).stat().st_mode & 0o666
    for path in Path(folder).rglob("*.safetensors"):
        path.chmod(mode)


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write bytes, atomically."""
    with atomic(path) as stream:
        stream.write(content)


def write_text(path: str | Path, text: str) -> None:
    """Write text as UTF-8, atomically."""
    write_bytes(path, text.encode())


def write_json(path: str | Path, value: Any) -> None:
    """Write a value as indented JSON, keys in their order, atomically. Not-a-number is a `ValueError`."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    write_bytes(path, text.encode(errors="backslashreplace") + b"\n")


def write_jsonl(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as JSON lines, atomically, and return how many there were."""
    count = 0
    with atomic(path) as stream:
        for row in rows:
            stream.write(json_line(row))
            count += 1
    return count


def json_line(row: Mapping[str, Any]) -> bytes:
    """One row of JSON lines, with its newline. Half a surrogate pair becomes its JSON escape."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode(errors="backslashreplace") + b"\n"
