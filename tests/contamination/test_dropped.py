"""Rows that hold what is asked: dropped, or reported, as the recipe says; and told in the report with file and row."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.errors import RecipeError
from calque.recipes.checking import check
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare, run

LEAK = {"instruction": "Chi?", "input": "Il cane è nel bosco.", "output": "il cane"}


@pytest.fixture
def leaky(project: Path) -> Path:
    """The project with one question of its benchmark among the instructions, as row 25."""
    rows = json.loads((project / "instructions.it.json").read_text("utf-8"))
    (project / "instructions.it.json").write_text(json.dumps([*rows, LEAK]), encoding="utf-8")
    return project


def carried_out(project: Path, *words: str) -> Path:
    run(prepare(read_recipe(str(project / "recipe.yaml"), words)), project / "run")
    return project / "run"


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_rows_are_dropped_with_their_reason_and_counted(leaky: Path) -> None:
    folder = carried_out(leaky, "contamination.when_found=drop", "systems.en-alpaca=null")
    counts = json.loads((folder / "steps/contamination/counts.json").read_text())
    assert (counts["rows"] - counts["kept"], counts["dropped"]) == (1, {"contaminated": 1})
    mixed = json.loads((folder / "steps/mix-x-alpaca-it/counts.json").read_text())
    assert mixed == {
        "rows": 25,
        "kept": 24,
        "parts": {"x-instructions-it": 24},
        "dropped": {"contaminated": 1},
    }
    (row,) = read(folder / "steps/mix-x-alpaca-it/dropped.jsonl")
    assert (row["file"], row["row"], row["reason"]) == ("instructions.it.json", 25, "contaminated")
    assert row["detail"] == "xquad in it, q0: the whole prompt"
    hits = read(folder / "steps/contamination/hits.jsonl")
    (hit,) = [hit for hit in hits if hit["kind"] == "same"]
    assert (hit["file"], hit["row"], hit["item"]) == ("instructions.it.json", 25, "q0")
    assert (hit["item_file"], hit["item_row"]) == ("xquad.it.json", 1)
    page = (folder / "report.html").read_text("utf-8")
    assert "1 row was dropped for it" in page
    assert "instructions.it.json:25" in page
    assert "xquad.it.json:1" in page


def test_the_same_row_twice_counts_twice(leaky: Path) -> None:
    rows = json.loads((leaky / "instructions.it.json").read_text("utf-8"))
    (leaky / "instructions.it.json").write_text(json.dumps([*rows, LEAK]), encoding="utf-8")
    folder = carried_out(leaky, "contamination.when_found=drop", "systems.en-alpaca=null")
    counts = json.loads((folder / "steps/contamination/counts.json").read_text())
    assert counts["dropped"] == {"contaminated": 2}
    assert counts["rows"] == counts["kept"] + 2
    dropped = read(folder / "steps/mix-x-alpaca-it/dropped.jsonl")
    assert [row["row"] for row in dropped] == [25, 26]
    assert "2 rows were dropped for it" in (folder / "report.html").read_text("utf-8")


def test_what_is_only_reported_is_trained_on(leaky: Path) -> None:
    folder = carried_out(leaky, "contamination.when_found=report", "systems.en-alpaca=null")
    mixed = json.loads((folder / "steps/mix-x-alpaca-it/counts.json").read_text())
    assert (mixed["kept"], mixed["dropped"]) == (25, {})
    assert "Nothing was dropped for it: the recipe says so." in (folder / "report.html").read_text("utf-8")


def test_check_tells_it_before_anything_is_spent(leaky: Path) -> None:
    with pytest.raises(RecipeError, match=r"question q0, xquad\.it\.json:1; the whole prompt"):
        list(check(str(leaky / "recipe.yaml"), [], everything=True))
    lines = list(check(str(leaky / "recipe.yaml"), ["contamination.when_found=report"], everything=True))
    at = next(i for i, line in enumerate(lines) if line.startswith("contamination:"))
    assert lines[at].startswith("contamination: 61 rows against 2 sets")
    assert "    xquad in it: of 4 questions 1 × the whole prompt" in lines[at + 1 : at + 4]
    assert any("xquad in en" in line and "the same question in another language" in line for line in lines)


def test_a_file_that_is_named_like_a_trap_is_told(project: Path) -> None:
    (project / "instructions.it.json").rename(project / "squad-dev.it.json")
    words = [f"instructions.it={project}/squad-dev.it.json"]
    told = (
        "    note: squad-dev.it.json: XQuAD is 240 paragraphs of SQuAD v1.1's dev set, and their translations"
    )
    assert told in list(check(str(project / "recipe.yaml"), words, everything=True))
