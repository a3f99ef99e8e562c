from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.corpora.files import expand, read_lines, read_text, sha256_of
from calque.errors import DataError
from calque.records import Rejected


def file(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def test_lines_end_at_newlines_alone(tmp_path: Path) -> None:
    """U+2028 and form feeds are text: else line i of one file would not be line i of the other."""
    path = file(tmp_path, "eins\u2028zwei\r\ndrei\x0c\n\nvier".encode())
    assert list(read_lines(path)) == ["eins\u2028zwei", "drei\x0c", "", "vier"]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)))
def test_lines_come_back_as_written(lines: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = file(Path(folder), "".join(line + "\n" for line in lines).encode())
        expected = [lines[0].removeprefix("\ufeff"), *lines[1:]] if lines else []
        assert list(read_lines(path)) == expected


def test_gzip_is_told_by_its_content_and_a_mark_in_front_is_left_out(tmp_path: Path) -> None:
    packed = file(tmp_path, gzip.compress("\ufeffciao\n".encode()), "a.txt")
    assert list(read_lines(packed)) == ["ciao"]
    assert read_text(packed) == "ciao\n"


def test_a_line_that_is_no_utf8_is_rejected_with_its_place(tmp_path: Path) -> None:
    path = file(tmp_path, b"gut\nschlecht \xff hier\nwieder gut\n")
    good, bad, last = read_lines(path)
    assert (good, last) == ("gut", "wieder gut")
    assert isinstance(bad, Rejected)
    assert (bad.file, bad.row, bad.reason) == ("a.txt", 2, "invalid_utf8")
    assert "0xff at offset 13" in bad.detail
    assert bad.raw == "schlecht \\xff hier"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"gut\n\xe4\xbd", "a.txt:2: the file breaks off in the middle of a character"),
        ("a.txt", "gut".encode("utf-16"), "is UTF-16, not UTF-8"),
        ("a.gz", gzip.compress(b"x" * 100_000 + b"\n", mtime=0)[:60], "damaged or cut off"),
        ("a.gz", b"plain", "is not gzip, though its name says so"),
        ("a.gz", b"", "is empty"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = file(tmp_path, content, name)
    for read in (lambda: list(read_lines(path)), lambda: read_text(path)):
        with pytest.raises(DataError, match=message):
            read()


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    file(tmp_path, b"", "alpaca.json")
    with pytest.raises(DataError, match=r"did you mean 'alpaca\.json'"):
        read_text(tmp_path / "alpaka.json")
    with pytest.raises(DataError, match="is a folder, not a file"):
        read_text(tmp_path)
    with pytest.raises(DataError, match="does not exist either"):
        read_text(tmp_path / "no" / "a.json")
    with pytest.raises(DataError, match="no file fits this pattern"):
        expand(tmp_path / "*.csv")


def test_patterns_name_files_in_order_without_the_hidden(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", ".c.csv.partial", "d.json"):
        file(tmp_path, b"", name)
    assert [p.name for p in expand(tmp_path / "*.csv")] == ["a.csv", "b.csv"]
    assert [p.name for p in expand(tmp_path / "*c*")] == ["a.csv", "b.csv"]


def test_the_hash_is_of_the_bytes_on_disk(tmp_path: Path) -> None:
    content = gzip.compress(b"x")
    assert sha256_of(file(tmp_path, content)) == hashlib.sha256(content).hexdigest()


def test_a_line_that_is_too_long_is_counted_and_not_held(tmp_path: Path) -> None:
    path = file(tmp_path, b"1234\n12345\n\n123456789\nabc\xff\n12345")
    one, two, three, four, five, six = read_lines(path, longest=5)
    assert (one, three, six) == ("1234", "", "12345")
    assert isinstance(two, Rejected)
    assert (two.row, two.reason, two.detail) == (2, "too_large", "the line has 6 bytes; at most 5 are read")
    assert isinstance(four, Rejected)
    assert (four.row, four.detail) == (4, "the line has 10 bytes; at most 5 are read")
    assert isinstance(five, Rejected)
    assert five.detail.startswith("byte 0xff at offset 25")
