"""Seed data in its forms: English instruction and answer in another language; and a seed that is too small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calque.corpora.instruction_pairs import InstructionPairFiles
from calque.corpora.ledger import Ledger
from calque.corpora.seed_pairs import SeedFiles, read_seed
from calque.corpora.seed_rows import SeedRows, seed_rows
from calque.errors import DataError
from calque.records import CrossLingualPair, Rejected


def lines(path: Path, *values: Any) -> Path:
    path.write_text("".join(json.dumps(v, ensure_ascii=False) + "\n" for v in values), encoding="utf-8")
    return path


def read(files: SeedFiles) -> tuple[list[tuple[str, ...]], list[tuple[int, str]]]:
    found = list(read_seed(files))
    kept = [row for row in found if isinstance(row, CrossLingualPair)]
    dropped = [(row.row, row.reason) for row in found if isinstance(row, Rejected)]
    return [(p.instruction, p.input, p.response, p.english, p.language) for p in kept], dropped


def test_alpaca_with_both_languages_in_a_row(tmp_path: Path) -> None:
    good = {"instruction": "Name a tree", "input": "of the north", "output": "Koivu"}
    file = lines(tmp_path / "seed.jsonl", good, {"instruction": "x", "output": " "}, good)
    kept, dropped = read(SeedFiles("fi", alpaca=(file,)))
    assert kept == [("Name a tree", "of the north", "Koivu", "", "fi")]
    assert dropped == [(2, "empty_response"), (3, "duplicate")]


def test_of_parallel_conversations_the_first_exchange_once(tmp_path: Path) -> None:
    def message(id_: str, parent: str | None, role: str, english: str, finnish: str) -> dict[str, Any]:
        return {"message_id": id_, "parent_id": parent, "role": role, "orig_text": english, "text": finnish}

    file = lines(
        tmp_path / "oasst.jsonl",
        message("a", None, "prompter", "Who?", "Kuka?"),
        message("b", "a", "assistant", "I.", "Minä."),
        message("c", "b", "prompter", "Why?", "Miksi?"),
        message("d", "c", "assistant", "So.", "Siksi."),
        message("e", "c", "assistant", "Because.", "Koska."),
    )
    kept, dropped = read(SeedFiles("fi", parallel=InstructionPairFiles("fi", oasst=(file,))))
    assert kept == [("Who?", "", "Minä.", "I.", "fi")]
    assert dropped == [(5, "duplicate")]


def test_questions_and_answers_meet_by_their_id(tmp_path: Path) -> None:
    asked = lines(
        tmp_path / "q.jsonl",
        {"question_id": 1, "turns": [{"content": "How many?"}]},
        {"question_id": 2, "turns": ["Where?", "And then?"]},
        {"question_id": 3},
    )
    said = [
        {"question_id": i, "choices": [{"turns": [t]}]} for i, t in ((2, "Hapa"), (1, {"content": "Tatu"}))
    ]
    answered = lines(
        tmp_path / "a.jsonl", *said, {"question_id": 9, "choices": [{"turns": ["?"]}]}, {"choices": []}
    )
    kept, dropped = read(SeedFiles("sw", questions=(asked,), answers=(answered,)))
    assert kept == [("Where?", "", "Hapa", "", "sw"), ("How many?", "", "Tatu", "", "sw")]
    assert dropped == [(3, "missing_field"), (3, "no_such_question"), (4, "missing_field")]


def test_a_seed_of_three_rows_is_refused_with_its_file(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", *({"instruction": f"i{i}", "output": "o"} for i in range(3)))
    with Ledger(tmp_path / "dropped.jsonl") as ledger, pytest.raises(DataError) as refused:
        seed_rows(SeedFiles("it", alpaca=(file,)), SeedRows(), 0, ledger)
    problem = refused.value.problems[0]
    assert problem.file == str(file)
    assert problem.message == "a seed of 3 rows is too small to learn from: at least 10 are needed"


def test_a_seed_that_is_no_text_is_refused_with_why_its_rows_were_put_aside(tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_bytes(b'{"instruction": "i", "output": "o"}\n' + b"\xff\n" * 12 + b"{\n")
    with Ledger(tmp_path / "dropped.jsonl") as ledger, pytest.raises(DataError) as refused:
        seed_rows(SeedFiles("it", alpaca=(file,)), SeedRows(), 0, ledger)
    message = refused.value.problems[0].message
    assert message.startswith("a seed of 1 row is too small")
    assert message.endswith("(put aside: 1 × invalid_json, 12 × invalid_utf8)")


def test_held_out_and_tuned_are_all_and_do_not_meet(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", *({"instruction": f"i{i}", "output": "o"} for i in range(20)))

    def side(which: Any, seed: int = 0) -> set[str]:
        with Ledger(tmp_path / f"{which}.jsonl") as ledger:
            found = seed_rows(SeedFiles("it", alpaca=(file,)), SeedRows(which, 0.25), seed, ledger)
            assert (
                ledger.counts()["rows"] == 20 == len(found) + ledger.counts()["dropped"].get("not_drawn", 0)
            )
        return {pair.instruction for pair in found}

    assert len(side("held")) == 5
    assert side("held") | side("tuned") == side("all")
    assert not side("held") & side("tuned")
    assert side("held", 1) != side("held")


def test_fewer_seed_pairs_are_part_of_more_and_are_split_alike(tmp_path: Path) -> None:
    file = lines(tmp_path / "s.jsonl", *({"instruction": f"i{i}", "output": "o"} for i in range(40)))

    def taken(count: Any, which: Any = "all") -> set[str]:
        with Ledger(tmp_path / "dropped.jsonl") as ledger:
            found = seed_rows(SeedFiles("it", alpaca=(file,)), SeedRows(which, 0.25, count), 0, ledger)
            assert (
                ledger.counts()["rows"] == 40 == len(found) + ledger.counts()["dropped"].get("not_drawn", 0)
            )
        return {pair.instruction for pair in found}

    assert (len(taken(12)), len(taken(0.5)), len(taken("all"))) == (12, 20, 40)
    assert taken(12) < taken(0.5)
    assert len(taken(12, "held")) == 3
    assert taken(12, "held") | taken(12, "tuned") == taken(12)
    with pytest.raises(DataError, match="41 seed pairs are asked for, and there are 40"):
        taken(41)
    with pytest.raises(DataError, match="a seed of 9 rows is too small"):
        taken(9)


@pytest.mark.real_data
def test_real_seeds(data_folder: Path) -> None:
    oasst = data_folder / "oasst1-en-fi" / "oasst1-en-fi-validation.part-a.jsonl.gz"
    kept, _ = read(SeedFiles("fi", parallel=InstructionPairFiles("fi", oasst=(oasst,))))
    assert len(kept) > 100
    arena = data_folder / "arena-hard-multilingual"
    swahili = SeedFiles(
        "sw",
        questions=(arena / "question-en.jsonl",),
        answers=(arena / "answers-gpt-4o-2024-11-20-sw.jsonl.gz",),
    )
    kept, dropped = read(swahili)
    assert (len(kept), len(dropped)) == (500, 0)
