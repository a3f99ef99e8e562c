from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from calque.corpora.tmx import read_units
from calque.errors import DataError

HEAD = '<?xml version="1.0"?>\n<!DOCTYPE tmx SYSTEM "tmx14.dtd">\n<tmx version="1.4"><body>\n'
END = "</body></tmx>\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_units_are_texts_by_language_without_codes_of_the_layout(tmp_path: Path) -> None:
    unit = (
        '<tu><tuv xml:lang="en"><seg>press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">&lt;/b&gt;</ept> &amp; go</seg></tuv>'
        '<tuv lang="it-IT"><seg>premi <hi>OK</hi></seg></tuv><tuv xml:lang="en"><seg>second</seg></tuv></tu>\n'
    )
    path = write(tmp_path / "a.tmx", HEAD + unit + "<tu></tu>" + END)
    assert list(read_units(path)) == [{"en": "press OK & go", "it-IT": "premi OK"}, {}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "<tu><tuv xml:lang='en'><seg>a", r"a\.tmx:4: is not well-formed TMX .*its end is missing"),
        (HEAD + "<tu></seg></tu>" + END, r"a\.tmx:4: is not well-formed TMX \(mismatched tag\), after 0 whole units"),
        ("<html></html>", "is no TMX: its root is <html>"),
        ('<!DOCTYPE tmx [<!ENTITY a "b">]><tmx></tmx>', "declarations of its own, which is refused"),
        (HEAD + "<tu><tuv xml:lang='en'><seg>&nbsp;</seg></tuv></tu>" + END, "entity 'nbsp'"),
    ],
)  # fmt: skip
def test_files_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"(?s){message}"):
        list(read_units(write(tmp_path / "a.tmx", text)))


def test_memory_is_for_a_unit_and_not_for_the_file(tmp_path: Path) -> None:
    unit = f'<tu><tuv xml:lang="en"><seg>{"a" * 500}</seg></tuv></tu>\n'
    path = write(tmp_path / "a.tmx", HEAD + unit * 20_000 + END)
    assert path.stat().st_size > 10_000_000
    tracemalloc.start()
    assert sum(1 for _ in read_units(path)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000
