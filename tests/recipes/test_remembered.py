from __future__ import annotations

from pathlib import Path

import pytest

from calque.recipes import remembered
from calque.recipes.remembered import Looked, Remembered, users_folder


def test_what_was_learnt_is_known_later(tmp_path: Path) -> None:
    known = Remembered(tmp_path / "memory")
    key = known.key_of("a", {"b": 1})
    assert known.get(key) is None
    known.put(key, Looked({"rows": 3}, ["three rows"]))
    known.put("", Looked({}, ["what has no key"]))
    known.save()
    later = Remembered(tmp_path / "memory")
    assert later.get(key) == Looked({"rows": 3}, ["three rows"])
    assert later.get("") is None
    assert len({key, known.key_of("a", {"b": 2}), known.key_of("b", {"b": 1}), known.key_of("a")}) == 4


def test_the_oldest_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 2)
    known = Remembered(tmp_path)
    for name in "abc":
        known.put(name, Looked({}, [name]))
    known.save()
    later = Remembered(tmp_path)
    assert [later.get(name) is None for name in "abc"] == [True, False, False]


@pytest.mark.parametrize("text", ["[]", "7", "{", '{"a": [1]}', '{"a": 5}', "\udcff"])
def test_a_file_of_another_form_counts_for_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "checked.json").write_bytes(text.encode(errors="surrogateescape"))
    assert Remembered(tmp_path).get("a") is None


def test_the_folder_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALQUE_CACHE", "/own")
    assert users_folder() == Path("/own")
    monkeypatch.delenv("CALQUE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert users_folder() == Path("/shared/calque")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert users_folder() == Path.home() / ".cache/calque"
