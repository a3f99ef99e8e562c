from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from calque.reports.show import score_table, show


def printed(shown: object, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(shown)
    return console.export_text()


def test_english_stands_below_with_what_tuning_changed(run_folder: Path) -> None:
    """30 of 40 are right before and with cross-it, 10 with alpaca-it: 50 points less."""
    lines = printed(score_table(run_folder), 120).splitlines()
    assert "base in English: xquad 75.0" in lines
    assert "cross-it in English: xquad 75.0 (0.0 [0.0, 0.0])" in lines
    (lost,) = [line for line in lines if line.startswith("alpaca-it in English: xquad 25.0 (−50.0 [")]
    assert lost.endswith("])")
    assert "signatures in scores.jsonl" in lines[-4]


@pytest.mark.parametrize("width", [80, 120])
def test_no_figure_and_no_name_is_cut(run_folder: Path, width: int) -> None:
    text = printed(score_table(run_folder), width)
    assert "…" not in text
    rows = [line.split() for line in text.splitlines()]
    assert ["xquad", "exact", "match", "it", "0.0", "50.0", "90.0", "+40.0"] in [row[:8] for row in rows]
    assert ["mean", "0.0", "37.5", "57.5", "+20.0"] in [row[:5] for row in rows]


def test_several_comparisons_have_a_table_of_their_own(run_folder: Path) -> None:
    path = run_folder / "manifest.json"
    both = path.read_text().replace('[["alpaca", "cross"]]', '[["alpaca", "cross"], ["base", "cross"]]')
    path.write_text(both)
    text = printed(score_table(run_folder), 80)
    assert "…" not in text
    rows = [line.split() for line in text.splitlines()]
    assert ["xquad", "exact", "match", "it", "0.0", "50.0", "90.0", "40"] in rows
    assert [row[4] for row in rows if row[:4] == ["xquad", "exact", "match", "it"]] == ["+40.0", "0.0"]
    assert max(map(len, text.splitlines())) <= 80


def test_many_systems_stand_below_one_another(many_run: Path) -> None:
    text = printed(score_table(many_run), 80)
    assert "…" not in text
    rows = [line.split() for line in text.splitlines()]
    assert ["method-07", "35.0", "35.0", "35.0", "35.0"] in rows
    found = rows.index(["method-20", "+95.0", "+95.0", "+95.0", "+95.0"])
    assert rows[found + 1] == ["−", "method-01", *["[+85.0,", "+100.0]"] * 4]
    assert max(map(len, text.splitlines())) <= 80


def test_show_counts_steps_and_drops(run_folder: Path) -> None:
    text = printed(show(run_folder), 120)
    assert "tried: " in text
    assert "2 × empty_response" in text
    assert "not done" not in text


def test_what_a_tuning_has_to_say_is_said(run_folder: Path) -> None:
    path = run_folder / "steps" / "tune-cross-it" / "lineage.json"
    path.write_text(path.read_text().replace('"method"', '"notes": ["rows are padded"], "method"', 1))
    assert "note: cross-it: rows are padded" in printed(show(run_folder), 100)


def test_a_run_without_scores_says_so(make_run: Callable[..., Path]) -> None:
    folder = make_run()
    (folder / "scores.jsonl").unlink()
    for path in (folder / "steps").glob("evaluate-*"):
        shutil.rmtree(path)
    assert printed(score_table(folder), 80) == "Nothing was scored yet, or the recipe names no benchmark.\n"
    assert "Nothing was scored" in printed(show(folder), 80)


def test_a_run_scored_in_english_alone_says_where_its_scores_stand(run_folder: Path) -> None:
    scores = run_folder / "scores.jsonl"
    kept = [row for row in scores.read_text(encoding="utf-8").splitlines() if '"language": "en"' in row]
    assert kept
    scores.write_text("\n".join(kept) + "\n", encoding="utf-8")
    for path in (run_folder / "steps").glob("evaluate-*-it"):
        shutil.rmtree(path)
    lines = printed(score_table(run_folder), 120).splitlines()
    assert lines[0] == "Nothing was scored in it, ar; the scores in en stand in scores.jsonl."
    assert lines[1] == "base in English: xquad 75.0"


def test_prompts_that_did_not_fit_are_told(run_folder: Path) -> None:
    assert "did not fit" not in printed(score_table(run_folder), 120)
    path = run_folder / "steps" / "evaluate-cross-ar-xquad-ar" / "counts.json"
    path.write_text(path.read_text().replace("gold_not_in_context", "prompt_too_long"))
    said = "xquad in ar (cross-ar): 2 of 40 prompts did not fit the model's context and count as wrong"
    assert said in printed(score_table(run_folder), 120)
    assert said in printed(show(run_folder), 120)
    path.write_text(path.read_text().replace("prompt_too_long", "fewer_examples"))
    said = "xquad in ar (cross-ar): 2 of 40 prompts had room for fewer examples only"
    assert said in printed(score_table(run_folder), 120)


def test_markup_in_a_name_is_text(run_folder: Path) -> None:
    path = run_folder / "manifest.json"
    path.write_text(path.read_text().replace('"tried"', '"[bold]tried[/bold]"'))
    assert "[bold]tried[/bold]: " in printed(show(run_folder), 120)
