"""Parallel instruction data in three forms: what becomes a pair, and what is put aside with its reason."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from calque.corpora.instruction_pairs import AlpacaPair, InstructionPairFiles, read_instruction_pairs
from calque.errors import DataError
from calque.records import InstructionPair, Rejected


def rows(path: Path, *values: Any) -> Path:
    lines = path.suffixes[-1] == ".jsonl"
    text = "".join(json.dumps(v) + "\n" for v in values) if lines else json.dumps(values)
    path.write_text(text, encoding="utf-8")
    return path


def alpaca(instruction: str, output: str, material: str = "") -> dict[str, str]:
    return {"instruction": instruction, "input": material, "output": output}


def read(files: InstructionPairFiles) -> tuple[list[InstructionPair], list[tuple[str, int, str]]]:
    found = list(read_instruction_pairs(files))
    kept = [row for row in found if isinstance(row, InstructionPair)]
    return kept, [(row.file, row.row, row.reason) for row in found if isinstance(row, Rejected)]


def said(pair: InstructionPair) -> list[tuple[str, ...]]:
    return [(m.role, m.language, *m.texts) for side in (pair.english, pair.target) for m in side]


def test_two_alpaca_files_row_by_row(tmp_path: Path) -> None:
    english = rows(
        tmp_path / "en.json",
        alpaca("Where?", "Here", "map"),
        alpaca("Who?", "I"),
        alpaca("2?", "2"),
        alpaca("A", "B"),
    )
    target = rows(
        tmp_path / "it.json",
        alpaca("Dove?", "Qui", "mappa"),
        alpaca("Chi?", " "),
        alpaca("2?", "2"),
        alpaca("A", "Bi"),
    )
    kept, dropped = read(InstructionPairFiles("it", (AlpacaPair(english, target),), licence="CC"))
    assert said(kept[0]) == [
        ("user", "en", "Where?", "map"),
        ("assistant", "en", "Here"),
        ("user", "it", "Dove?", "mappa"),
        ("assistant", "it", "Qui"),
    ]
    assert (kept[0].language, kept[0].provenance.dataset, kept[1].provenance.row) == ("it", "it.json", 4)
    assert kept[0].provenance.licence == "CC"
    assert not any(message.trained for message in kept[0].target), "that is for a view to say"
    assert dropped == [("it.json", 2, "empty_response"), ("it.json", 3, "identical_sides")]


def test_files_of_unequal_length_are_an_error(tmp_path: Path) -> None:
    english = rows(tmp_path / "en.json", alpaca("a", "b"), alpaca("c", "d"))
    target = rows(tmp_path / "it.json", alpaca("e", "f"))
    with pytest.raises(DataError, match=r"en\.json: has 2 rows, and .*it\.json has 1: row i") as caught:
        read(InstructionPairFiles("it", (AlpacaPair(english, target),)))
    assert "index" in caught.value.problems[0].remedy


def test_an_index_says_which_row_is_which(tmp_path: Path) -> None:
    files = [
        AlpacaPair(
            rows(
                tmp_path / f"{name}.en.json",
                alpaca(f"{name}0", "a"),
                alpaca(f"{name}1", "b"),
                alpaca("", "c"),
            ),
            rows(tmp_path / f"{name}.zh.json", alpaca(f"{name}零", "甲"), alpaca(f"{name}一", "乙")),
            name,
        )
        for name in ("0-3", "3-6")
    ]
    index = rows(
        tmp_path / "pairs.jsonl",
        {"en_id": 1, "range": "0-3", "en_row": 1, "zh_row": 0, "score": 0.5},
        {"range": "3-6", "en_row": 0, "target_row": 1},
        {"range": "3-6", "en_row": 0, "zh_row": 1, "score": 0.1},
        {"range": "6-9", "en_row": 0, "zh_row": 1, "score": 1},
        {"range": "3-6", "en_row": 0, "zh_row": 2, "score": 1},
        {"range": "3-6", "en_row": 2, "zh_row": 0, "score": 1},
        {"range": "3-6", "en_row": -1, "zh_row": 0},
        {"range": "3-6", "zh_row": 0},
        {"range": "3-6", "en_row": 1, "zh_row": 1, "score": "high"},
        [1],
    )
    kept, dropped = read(InstructionPairFiles("zh", tuple(files), index, minimal_score=0.3))
    assert [(pair.english[0].text, pair.target[0].text) for pair in kept] == [
        ("0-31", "0-3零"),
        ("3-60", "3-6一"),
    ]
    assert dropped == [
        ("pairs.jsonl", 3, "low_score"),
        ("pairs.jsonl", 4, "no_such_file"),
        ("pairs.jsonl", 5, "no_such_row"),
        ("3-6.en.json", 3, "empty_instruction"),
        ("pairs.jsonl", 7, "wrong_type"),
        ("pairs.jsonl", 8, "missing_field"),
        ("pairs.jsonl", 9, "wrong_type"),
        ("pairs.jsonl", 10, "wrong_type"),
    ]


def dolly(**changes: Any) -> dict[str, Any]:
    row = {"instruction": "Missä?", "context": "Kartta", "response": "Tässä"}
    row |= {"orig_instruction": "Where?", "orig_context": "Map", "orig_response": "Here"}
    return {key: value for key, value in {**row, **changes}.items() if value is not ...}


def test_dolly(tmp_path: Path) -> None:
    given = [
        dolly(),
        dolly(context="", orig_context=None),
        dolly(context=" "),
        dolly(response=""),
        dolly(orig_response=...),
        dolly(instruction=3),
        dolly(instruction="Where?", context="Map", response="Here"),
        "row",
    ]
    path = tmp_path / "dolly.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in given).encode()))
    kept, dropped = read(InstructionPairFiles("fi", dolly=(path,)))
    assert said(kept[0]) == [
        ("user", "en", "Where?", "Map"),
        ("assistant", "en", "Here"),
        ("user", "fi", "Missä?", "Kartta"),
        ("assistant", "fi", "Tässä"),
    ]
    assert [pair.provenance.row for pair in kept] == [1, 2]
    assert [(row, reason) for _, row, reason in dropped] == [
        (3, "missing_side"),
        (4, "empty_response"),
        (5, "missing_field"),
        (6, "wrong_type"),
        (7, "identical_sides"),
        (8, "wrong_type"),
    ]


def message(id_: str, parent: str | None, role: str = "", **changes: Any) -> dict[str, Any]:
    role = role or ("prompter" if id_.startswith("p") else "assistant")
    return {
        "message_id": id_,
        "parent_id": parent,
        "role": role,
        "text": f"{id_} fi",
        "orig_text": f"{id_} en",
        **changes,
    }


TREE = [
    message("p1", None),
    message("a1", "p1", rank=1),
    message("a2", "p1", rank=0),
    message("p2", "a1"),
    message("a3", "p2"),
    message("p3", "a2"),  # nobody answered
    message("p4", None),  # nobody answered
]


def ways(kept: list[InstructionPair]) -> list[str]:
    return [" ".join(m.text.split()[0] for m in pair.target) for pair in kept]


def test_conversations_of_trees(tmp_path: Path) -> None:
    path = rows(tmp_path / "oasst.jsonl", *TREE)
    kept, dropped = read(InstructionPairFiles("fi", oasst=(path,)))
    assert ways(kept) == ["p1 a2", "p1 a1 p2 a3"]
    assert [m.text for m in kept[0].english] == ["p1 en", "a2 en"]
    assert [m.role for m in kept[1].target] == ["user", "assistant", "user", "assistant"]
    assert kept[1].provenance.row == 5
    assert dropped == [("oasst.jsonl", 6, "unanswered"), ("oasst.jsonl", 7, "unanswered")]
    best, dropped = read(InstructionPairFiles("fi", oasst=(path,), best_branch=True))
    assert ways(best) == ["p1 a2"]
    assert [(row, reason) for _, row, reason in dropped] == [
        (2, "other_branch"),
        (4, "other_branch"),
        (5, "other_branch"),
        (6, "unanswered"),
        (7, "unanswered"),
    ]


def test_messages_that_fit_no_tree_are_put_aside(tmp_path: Path) -> None:
    path = rows(
        tmp_path / "oasst.jsonl",
        *TREE[:3],
        message("a1", "p1"),
        message("p9", "gone"),
        message("a9", "p9"),
        message("a8", None),
        message("a7", "a1"),
        message("p8", "p1", text=" "),
        message("p7", None, deleted=True),
        message("x", None, role="system"),
        message("pc", "ac"),
        message("ac", "pc"),
        message("p5", None, text="2 + 2", orig_text="2 + 2"),
        message("a5", "p5", text="4", orig_text="4"),
        {"message_id": "p6", "role": "prompter", "text": "t"},
    )
    kept, dropped = read(InstructionPairFiles("fi", oasst=(path,)))
    assert ways(kept) == ["p1 a1", "p1 a2"]
    assert sorted((row, reason) for _, row, reason in dropped) == [
        (4, "duplicate_id"),
        (5, "missing_parent"),
        (6, "missing_parent"),
        (7, "missing_parent"),
        (8, "same_role"),
        (9, "empty_side"),
        (10, "deleted"),
        (11, "wrong_type"),
        (12, "missing_parent"),
        (13, "missing_parent"),
        (15, "identical_sides"),
        (16, "missing_field"),
    ]


@pytest.mark.real_data
def test_real_files(data_folder: Path) -> None:
    folder = data_folder / "alpaca-en-zh"
    pairs = tuple(
        AlpacaPair(path.with_name(path.name.replace("-zh", "-en")), path, path.name[12:-11])
        for path in sorted(folder.glob("*-zh.json.gz"))
    )
    assert pairs[0].section == "0-3252"
    kept, dropped = read(
        InstructionPairFiles("zh", pairs, folder / "pairs-en-zh.jsonl.gz", minimal_score=1.0)
    )
    assert len(kept) + len(dropped) == 11_063
    assert (kept[0].english[0].text, kept[0].target[0].text) == (
        "Give three tips for staying healthy.",
        "给出三个保持健康的提示。",
    )
    dolly_files = InstructionPairFiles("fi", dolly=tuple((data_folder / "dolly-en-fi").glob("*.gz")))
    kept, dropped = read(dolly_files)
    assert len(kept) + len(dropped) > 7_000
    assert {reason for *_, reason in dropped} <= {
        "identical_sides",
        "missing_side",
        "empty_response",
        "empty_instruction",
    }
    trees = tuple((data_folder / "oasst1-en-fi").glob("*.gz"))
    kept, dropped = read(InstructionPairFiles("fi", oasst=trees))
    assert len(kept) > 300
    assert all(len(pair.target) % 2 == 0 and len(pair.target) == len(pair.english) for pair in kept)
    best, _ = read(InstructionPairFiles("fi", oasst=trees, best_branch=True))
    assert 50 < len(best) < len(kept)
