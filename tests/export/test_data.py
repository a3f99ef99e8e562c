"""Exported demonstrations are those that were trained on, and read back they are the same."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import yaml
from tests.conftest import carried_out, make_project

from calque.corpora.alpaca import read_alpaca
from calque.corpora.demonstration_files import read_demonstrations
from calque.corpora.exchange import read_conversations
from calque.export.data import export_data
from calque.export.learnt import learnt
from calque.recipes.tuned import read_tuned
from calque.records import Demonstration


def mixed(run: Path, system: str) -> list[Demonstration]:
    return list(read_demonstrations(run / "steps" / f"mix-{system}" / "demonstrations.jsonl"))


def test_messages_and_sharegpt_hold_every_row(lora_run: Path, tmp_path: Path) -> None:
    tuned = read_tuned(lora_run)
    system = tuned.wanted("x-crossalpaca", None)
    for form in ("messages", "sharegpt"):
        (line,) = export_data(tuned, system, tmp_path / form, form)  # type: ignore[arg-type]
        assert line.startswith(f"36 of 36 demonstrations of x-crossalpaca-it in the form {form}: ")
        assert list(read_conversations(tmp_path / form / "train.jsonl", "it")) == mixed(lora_run, system.name)
        assert sorted(path.name for path in (tmp_path / form).iterdir()) == [
            "README.md",
            "calque_export.json",
            "train.jsonl",
        ]


def test_alpaca_is_read_back_by_its_reader(lora_run: Path, tmp_path: Path) -> None:
    tuned = read_tuned(lora_run)
    list(export_data(tuned, tuned.wanted("x-alpaca", None), tmp_path / "out", "alpaca"))
    back = [
        row.messages
        for row in read_alpaca(tmp_path / "out" / "train.jsonl", "it")
        if isinstance(row, Demonstration)
    ]
    assert back == [row.messages for row in mixed(lora_run, "x-alpaca-it")]


def test_the_card_of_the_data(lora_run: Path, tmp_path: Path) -> None:
    tuned = read_tuned(lora_run)
    list(export_data(tuned, tuned.wanted("x-crossalpaca", None), tmp_path / "rows", "messages"))
    card = (tmp_path / "rows" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1]) == {
        "language": ["en", "it"],
        "license": "CC-BY-4.0",
        "task_categories": ["text-generation"],
        "tags": ["calque", "small"],
        "size_categories": ["n<1K"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "train.jsonl"}]}],
    }
    assert "| translation | en | it | 6 |" in card
    assert "| demonstrate translations-it | not_drawn | 12 |" in card
    assert "| pairs.tsv | CC-BY-4.0 | 12 |" in card


def test_what_a_form_cannot_hold_is_counted_written_and_told(tmp_path: Path, tiny_model: Path) -> None:
    folder = make_project(tmp_path / "project", tiny_model)
    both = "sources.parallel={it: {english: instructions.en.json, target: instructions.it.json}}"
    words = [
        "demonstrate.chat={view: chat, trained: last}",
        "systems={base: {}, x: {mix: {x-instructions: all, chat: all}, answers: [direct, chat]}}",
        "comparisons=[[base, x]]",
    ]
    recipe = (folder / "recipe.yaml").read_text(encoding="utf-8")
    recipe = recipe.replace("sources:\n", f"sources:\n  parallel: {both.partition('=')[2]}\n")
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    tuned = read_tuned(carried_out(folder, *words))
    system = tuned.wanted("x", None)
    assert system.ways == ("direct", "chat")
    lines = list(export_data(tuned, system, tmp_path / "out", "alpaca"))
    assert lines[0].startswith("24 of 48 demonstrations of x-it in the form alpaca, 24 × several_turns: ")
    dropped = [
        json.loads(line)
        for line in (tmp_path / "out" / "dropped.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert Counter(row["reason"] for row in dropped) == {"several_turns": 24}
    mark = json.loads((tmp_path / "out" / "calque_export.json").read_text(encoding="utf-8"))
    assert (mark["rows"], mark["kept"], mark["dropped"]) == (48, 24, {"several_turns": 24})
    assert "| several_turns | 24 |" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    lines = list(export_data(tuned, system, tmp_path / "all", "messages"))
    assert lines[1] == '24 rows have answers that were not trained on: they carry "weight": 0'
    assert list(read_conversations(tmp_path / "all" / "train.jsonl", "it")) == mixed(tuned.root, "x-it")


def test_rows_that_were_too_long_were_not_trained_on(tmp_path: Path, tiny_model: Path) -> None:
    folder = make_project(tmp_path / "project", tiny_model)
    path = folder / "instructions.it.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    rows[3]["output"] = "nel bosco " * 100
    path.write_text(json.dumps(rows), encoding="utf-8")
    words = [
        "tuning.max_tokens=64",
        "tuning.overlong=drop",
        "systems={base: {}, x: {mix: {x-instructions: all}}}",
        "comparisons=[]",
    ]
    run = carried_out(folder, *words)
    kept, told = learnt(run, "x-it")
    assert (told.rows, told.kept, len(kept)) == (24, 23, 23)
    assert told.dropped == {"encode": {"too_long": 1}}
    assert all("nel bosco nel bosco" not in row.messages[1].text for row in kept)
