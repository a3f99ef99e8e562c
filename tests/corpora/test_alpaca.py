from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.corpora.alpaca import read_alpaca
from calque.records import Demonstration, Message, Provenance, Rejected


def write(path: Path, *rows: Any) -> Path:
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


def test_a_row_becomes_a_demonstration(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.json", {"instruction": " Traduci: ", "input": "the ﬁre", "output": "il fuoco\n"}
    )
    assert list(read_alpaca(path, "Italian", licence="cc-by-4.0")) == [
        Demonstration(
            "instruction",
            (
                Message("user", "Traduci:", "it", input="the ﬁre"),
                Message("assistant", "il fuoco", "it", trained=True),
            ),
            Provenance("a.json", 1, "cc-by-4.0"),
        )
    ]


@pytest.mark.parametrize(
    "row", [{"instruction": "a", "output": "b"}, {"instruction": "a", "input": None, "output": "b"}]
)
def test_input_may_be_missing(tmp_path: Path, row: dict[str, Any]) -> None:
    [made] = read_alpaca(write(tmp_path / "a.json", row), "it")
    assert isinstance(made, Demonstration)
    assert made.messages[0].input == ""


def test_bad_rows_are_put_aside_with_their_reason(tmp_path: Path) -> None:
    good = {"instruction": "a", "input": "", "output": "b"}
    rows = [
        good,
        ["a", "b"],
        {"instruction": "a"},
        {**good, "output": 7},
        {**good, "input": ["x"]},
        {**good, "output": " \n"},
        {**good, "instruction": ""},
        good,
    ]
    made = list(read_alpaca(write(tmp_path / "a.json", *rows), "it"))
    assert [type(row).__name__ for row in made] == ["Demonstration", *["Rejected"] * 6, "Demonstration"]
    rejected = [row for row in made if isinstance(row, Rejected)]
    assert [(row.row, row.reason, row.detail) for row in rejected] == [
        (2, "wrong_type", "line 1: the row is a list, expected an object"),
        (3, "missing_field", "line 1: field 'output' is missing"),
        (4, "wrong_type", "line 1: field 'output' is a number, expected text"),
        (5, "wrong_type", "line 1: field 'input' is a list, expected text"),
        (6, "empty_response", "line 1: field 'output' is empty"),
        (7, "empty_instruction", "line 1: field 'instruction' is empty"),
    ]
    assert json.loads(rejected[2].raw) == {**good, "output": 7}


@pytest.mark.real_data
def test_real_rows_in_chinese_script(data_folder: Path) -> None:
    files = sorted((data_folder / "alpaca-en-zh").glob("*zh*.json*"))
    assert files
    made = list(read_alpaca(files[0], "zh"))
    kept = [row for row in made if isinstance(row, Demonstration)]
    assert len(kept) > 0.9 * len(made) > 100
    assert all(row.languages == ("zh", "zh", "zh") for row in kept)
    assert len({row.provenance.row for row in kept}) == len(kept)
