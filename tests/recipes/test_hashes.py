from __future__ import annotations

import os
from pathlib import Path

import pytest

from calque.recipes.hashes import Hashes

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # SHA-256 of "abc", FIPS 180-4


@pytest.mark.parametrize("text", ["[]", "7", "{", '{"1:2": 5}', "\udcff"])
def test_a_store_that_is_none_is_begun_anew(tmp_path: Path, text: str) -> None:
    store, file = tmp_path / "hashes.json", tmp_path / "file"
    store.write_bytes(text.encode(errors="surrogateescape"))
    file.write_bytes(b"abc")
    os.utime(file, (0, 0))
    hashes = Hashes(store)
    assert hashes.sha256(file, settled=True) == ABC
    hashes.save()
    assert ABC in store.read_text(encoding="utf-8")


def test_a_known_file_is_not_read_again_and_a_changed_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    hashes = Hashes(tmp_path / "hashes.json")
    hashes.sha256(file, settled=True)
    hashes.save()
    again = Hashes(tmp_path / "hashes.json")
    monkeypatch.setattr("calque.recipes.hashes.sha256_of", lambda _: "read")
    assert again.sha256(file) == ABC
    file.write_bytes(b"abcd")
    assert again.sha256(file) == "read"


def test_a_hash_is_known_as_long_as_the_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc")
    hashes = Hashes(tmp_path / "hashes.json")
    assert not hashes.knows(file)
    hashes.sha256(file, settled=True)
    assert hashes.knows(file)
    file.write_bytes(b"abcd")
    assert not hashes.knows(file)
