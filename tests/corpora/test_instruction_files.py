"""Instruction data in whatever of the usual forms, also mixed in one file."""

from __future__ import annotations

import json
from pathlib import Path

from calque.corpora.instruction_files import read_instructions
from calque.recipes.checking import check
from calque.records import Demonstration, Message, Provenance, Rejected


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_each_row_by_its_own_fields(tmp_path: Path) -> None:
    path = write(
        tmp_path / "mixed.jsonl",
        {"instruction": "Chi?", "input": "Il cane.", "output": "il cane"},
        {"messages": [{"role": "user", "content": " Chi? "}, {"role": "assistant", "content": "il cane\n"}]},
        {"system": "Breve.", "conversations": [{"from": "human", "value": "Chi?"}, {"from": "gpt", "value": "io"},
                                               {"from": "human", "value": "E?"}, {"from": "gpt", "value": "tu"}]},
        {"messages": [{"role": "user", "content": "Chi?"}, {"role": "assistant", "content": "no", "weight": 0},
                      {"role": "user", "content": "Chi?"}, {"role": "assistant", "content": "sì", "weight": 1}],
         "dataset": "another", "row": 9},
        {"conversations": [{"from": "gpt", "value": "Ciao!"}, {"from": "human", "value": "Ciao"}]},
        {"messages": [{"role": "user", "content": "Chi?"}, {"role": "assistant", "content": "  "}]},
        {"instruction": "Chi?"},
    )  # fmt: skip
    rows = list(read_instructions(path, "italian", "MIT"))
    made = [row for row in rows if isinstance(row, Demonstration)]
    ask, told = Message("user", "Chi?", "it"), Message("assistant", "il cane", "it", trained=True)
    assert [row.messages for row in made[:3]] == [
        (Message("user", "Chi?", "it", "Il cane."), told),
        (ask, told),
        (Message("system", "Breve.", "it"), ask, Message("assistant", "io", "it", trained=True),
         Message("user", "E?", "it"), Message("assistant", "tu", "it", trained=True)),
    ]  # fmt: skip
    assert [m.trained for m in made[3].messages] == [False, False, False, True]
    assert made[3].provenance == Provenance("mixed.jsonl", 4, "MIT")  # the file at hand, whatever a row says
    assert [(row.row, row.reason) for row in rows if isinstance(row, Rejected)] == [
        (5, "no_request"), (6, "empty_message"), (7, "missing_field"),
    ]  # fmt: skip


def test_a_recipe_learns_from_conversations(project: Path) -> None:
    rows = json.loads((project / "instructions.it.json").read_text(encoding="utf-8"))
    turns = [
        {"conversations": [{"from": "human", "value": f"{row['instruction']}\n\n{row['input']}"},
                           {"from": "gpt", "value": row["output"]}]}
        for row in rows
    ]  # fmt: skip
    write(project / "talks.it.jsonl", *turns)
    lines = list(check(str(project / "recipe.yaml"), [f"instructions.it={project / 'talks.it.jsonl'}"]))
    assert "part x-instructions-it: 24 rows of talks.it.jsonl can be used; 24 are taken" in lines
