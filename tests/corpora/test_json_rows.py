from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.corpora import files
from calque.corpora.json_rows import JsonRow, read_json, read_rows
from calque.errors import DataError
from calque.records import Rejected

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def values(path: Path) -> list[Any]:
    return [row.value for row in read_rows(path) if isinstance(row, JsonRow)]


@settings(max_examples=60)
@given(
    rows=st.lists(JSON, max_size=6),
    indent=st.sampled_from([None, 1]),
    chunk=st.integers(1, 40),
    ascii_only=st.booleans(),
)
def test_a_list_is_read_whatever_the_pieces_in_which_it_comes(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[Any],
    indent: int | None,
    chunk: int,
    ascii_only: bool,
) -> None:
    path = tmp_path_factory.mktemp("list") / "a.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_CHUNK", chunk)
        assert values(path) == rows


def test_rows_know_their_line_and_text(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[\n  {"a": 1},\n\n  {"a":\n 2}]\n')
    assert list(read_rows(path)) == [
        JsonRow(1, 2, {"a": 1}, '{"a": 1}'),
        JsonRow(2, 4, {"a": 2}, '{"a":\n 2}'),
    ]


def test_json_lines_go_on_after_a_bad_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n\n{"a": }\n{"a": 3}'))
    one, bad, three = read_rows(path)
    assert one == JsonRow(1, 1, {"a": 1}, '{"a": 1}')
    assert isinstance(bad, Rejected)
    assert (bad.row, bad.reason, bad.raw) == (3, "invalid_json", '{"a": }')
    assert isinstance(three, JsonRow)
    assert three.row == 4


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", '[{"a": 1},\n{"a": "eins', "a.json:2: the file breaks off here, after 1 whole row"),
        ("a.json", '[{"a": 1}, {"b": 2},\n', "the file breaks off here, after 2 whole rows"),
        ("a.json", '[{"a": 1}', "the file breaks off here, after 1 whole row"),
        ("a.json", '[\n{"a": 1}\n{"a": 2}]', "a.json:3: is not valid JSON: a comma or the end of the list"),
        ("a.json", '[{"a": 1}] x', "there is more after the end of the list"),
        ("a.json", '{"a": 1}\n{"a": 2}', "expected a list of rows.*found an object"),
        ("a.json", "", "found nothing"),
        ("a.json", "[" * 100_000, "a.json:1: is nested too deep"),
        ("a.jsonl", '{"a": 1}\n{"a": "ei', "a.jsonl:2: the file breaks off here, after 1 whole row"),
        ("a.jsonl", '[\n{"a": 1}\n]', "is a JSON list, not one JSON value a line"),
    ],
)
def test_broken_files_say_where(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        list(read_rows(path))


def test_half_a_surrogate_pair_makes_its_row_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('["\\ud83d\\ude00", "\\ud83d", "gut"]')
    good, bad, last = read_rows(path)
    assert isinstance(good, JsonRow)
    assert good.value == "😀"
    assert isinstance(bad, Rejected)
    assert (bad.row, bad.reason) == (2, "invalid_utf8")
    assert isinstance(last, JsonRow)


def test_a_document_that_does_not_parse(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a":\n x}')
    with pytest.raises(DataError, match=r"a\.json:2: is not valid JSON: Expecting value \(column 2\)"):
        read_json(path)


@pytest.mark.parametrize(
    "text", ['{"a": [1,', '{"a":\n"ein Wo', '{"a": tru', '{"a": {"b": 1}', '{"a": "\\u00', ""]
)
def test_a_document_that_is_cut_off(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text + "\n\n")
    with pytest.raises(DataError) as caught:
        read_json(path)
    (problem,) = caught.value.problems
    assert problem.message == "the file breaks off here"
    assert (problem.line, problem.remedy) == (text.count("\n") + 1, "its end is missing: fetch it again")


@pytest.mark.parametrize("text", ['{"a": tru}', '{"a": [1}', '[{"a": 1}, x]'])
def test_a_document_that_is_whole_and_wrong_is_not_called_cut_off(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError, match="is not valid JSON: Expecting"):
        read_json(path)
