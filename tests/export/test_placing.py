"""A folder is written whole or not at all, and takes no other's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import UsageError
from calque.export.placing import MARK, placed


def write(out: Path, text: str, *, force: bool = False) -> None:
    with placed(out, force=force) as folder:
        (folder / "a").write_text(text, encoding="utf-8")
        (folder / MARK).write_text("{}", encoding="utf-8")


def test_nothing_is_replaced_unless_it_is_said_and_is_an_export(tmp_path: Path) -> None:
    write(tmp_path / "x" / "out", "1")
    with pytest.raises(UsageError, match="is there already"):
        write(tmp_path / "x" / "out", "2")
    write(tmp_path / "x" / "out", "2", force=True)
    assert (tmp_path / "x" / "out" / "a").read_text(encoding="utf-8") == "2"
    with pytest.raises(UsageError, match="not written by `calque export`"):
        write(tmp_path / "x", "3", force=True)
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="not written by `calque export`"):
        write(tmp_path / "file", "3", force=True)
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", "4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "x"]
    assert [p.name for p in (tmp_path / "x").iterdir()] == ["out"]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    write(tmp_path / "out", "1")

    def fail() -> None:
        with placed(tmp_path / "out", force=True) as folder:
            (folder / "a").write_text("half", encoding="utf-8")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "out" / "a").read_text(encoding="utf-8") == "1"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
