"""A folder written whole or not at all, which takes no other's place unless it is told to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calque.corpora.writing import fsync_folder, open_to_all
from calque.errors import Problem, UsageError

MARK = "calque_export.json"  # stands in every export: only such a folder may be replaced


def refuse_taken(out: Path, *, force: bool) -> None:
    """Raise `UsageError` if `out` is taken: without `force` by anything, with it by anything but an export."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not force:
        raise UsageError(Problem("is there already", str(out), remedy="name another folder, or say --force"))
    if not (out / MARK).is_file():
        raise UsageError(
            Problem(
                "was not written by `calque export`, so it is not replaced",
                str(out),
                remedy="name another folder",
            )
        )


@contextmanager
def placed(out: Path, *, force: bool) -> Iterator[Path]:
    """A folder to write into, which becomes `out` when all is written and flushed; on an error nothing is left.

    A kill leaves `.NAME.partial` at most, which the next call clears away.
    """
    refuse_taken(out, force=force)
    final = out.absolute()
    partial, old = (final.with_name(f".{final.name}.{what}") for what in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise UsageError(Problem(f"cannot be written to: {error.strerror}", str(out))) from None
    try:
        yield partial
        open_to_all(partial)
        for path in sorted(partial.rglob("*")):
            _flush(path)
        refuse_taken(out, force=force)
        shutil.rmtree(old, ignore_errors=True)
        if final.exists():
            final.rename(old)
        partial.rename(final)
        fsync_folder(final.parent)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
