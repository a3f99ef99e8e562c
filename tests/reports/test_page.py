from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from calque.errors import RunError, UsageError
from calque.reports.page import settings, visible, write_report

MakeRun = Callable[..., Path]
VOID = {"meta", "br", "link", "circle", "rect", "path", "line", "polyline", "img"}


class Tags(HTMLParser):
    """Checks that elements are closed in order, and gathers which there are and what they fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def page_of(*runs: Path, out: Path) -> str:
    return write_report(runs, out).read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def test_the_page_is_whole_and_fetches_nothing(run_folder: Path, tmp_path: Path) -> None:
    page = page_of(run_folder, out=tmp_path / "report.html")
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.fetched == []
    assert "url(" not in page
    assert "@import" not in page
    assert "/home/" not in page


def test_the_page_says_what_was_measured(run_folder: Path, tmp_path: Path) -> None:
    page = page_of(run_folder, out=tmp_path / "report.html")
    text = text_of(page)
    for said in (
        "cross against alpaca : higher in 1, no difference shown in 1 of 2 comparisons",
        "10 questions drawn by the seed, as many that cross answered rightly as wrongly",
        "Learnt in 3 steps against 3, on 120 trained tokens against 120.",
        "cross in English, against the untuned model: no difference shown in 1 of 1 comparisons.",
        "90.0 [80.0, 100.0]",
        "+40.0 [",
        "alpaca-it 25.0 −50.0 [",
        "empty response: 2",
        "2.00 → 0.67, 3 steps",
        "cross-it Italian 1.88 0.50 30 16 60",
        "Chinese – 1.50 9 – 6",
        "cross-it Italian translation 5 70 33 21 2 1",
        "Arabic",
        "calque run",
    ):
        assert said in text, said


def test_prompts_that_did_not_fit_are_told_under_the_verdict(run_folder: Path, tmp_path: Path) -> None:
    assert "did not fit" not in text_of(page_of(run_folder, out=tmp_path / "fits.html"))
    path = run_folder / "steps" / "evaluate-cross-ar-xquad-ar" / "counts.json"
    path.write_text(path.read_text().replace("gold_not_in_context", "prompt_too_long"))
    text = text_of(page_of(run_folder, out=tmp_path / "report.html"))
    warning = "2 of 40 prompts of xquad in Arabic did not fit the model's context (cross-ar). They"
    assert text.index("Did it work?") < text.index(warning) < text.index("Scores in percent")
    assert "xquad Arabic cross-ar 41 duplicate id: 1 40 prompt too long: 2" in text
    assert "xquad Italian all 3 41 duplicate id: 1 40 gold not in context: 2" in text


def test_rows_dropped_of_a_benchmark_are_listed_once_for_all_systems(
    run_folder: Path, tmp_path: Path
) -> None:
    for path in (run_folder / "steps").glob("evaluate-*-xquad-it"):
        row = {"file": "xquad.it.json", "row": 7, "reason": "duplicate_id", "detail": "q07", "raw": ""}
        (path / "dropped.jsonl").write_text(json.dumps(row) + "\n")
    text = text_of(page_of(run_folder, out=tmp_path / "report.html"))
    assert text.count(": dropped rows, a few of each reason") == 2
    assert "demonstrate-instructions-it: dropped rows" in text
    assert (
        "xquad in Italian: dropped rows, a few of each reason file row reason the row xquad.it.json 7" in text
    )


def test_open_questions_are_shown_without_right_or_wrong(open_run: Path, tmp_path: Path) -> None:
    page = page_of(open_run, out=tmp_path / "report.html")
    samples = [part.partition("</article>")[0] for part in page.split('<article class="sample">')[1:]]
    unmarked = [s for s in samples if "✓" not in s and "✗" not in s]
    assert [text_of(s).split("·")[0].strip() for s in unmarked] == ["open"] * 3
    assert not any("gold:" in s for s in unmarked)
    assert all("Perché sì" in s for s in unmarked)
    text = text_of(page)
    assert "cross against alpaca : higher in 1, no difference shown in 1 of 2 comparisons" in text
    assert "open: questions without gold answers." in text
    assert '<span class="">+100.0</span>' in page


def test_text_of_data_is_shown_and_not_carried_out(run_folder: Path, tmp_path: Path) -> None:
    page = page_of(run_folder, out=tmp_path / "report.html")
    assert "<script" not in page
    assert "<b>" not in page
    assert "Che cosa?&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;i&gt;␇" in page
    assert '<div class="text" dir="auto">الجسر القديم</div>' in page


def test_the_same_run_gives_the_same_bytes(make_run: MakeRun, tmp_path: Path) -> None:
    pages = [page_of(make_run(f"{name}/run"), out=tmp_path / f"{name}.html") for name in "ab"]
    assert pages[0] == pages[1]


def test_a_run_that_is_under_way_has_a_page(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "manifest.json").unlink()
    shutil.rmtree(run_folder / "steps" / "evaluate-cross-it-xquad-it")
    (run_folder / "partial" / "evaluate-cross-it-xquad-it@0123").mkdir(parents=True)
    page = page_of(run_folder, out=tmp_path / "report.html")
    assert "This run is not finished: evaluate-cross-it-xquad-it." in page


def test_a_run_without_scores_says_so(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "scores.jsonl").unlink()
    for path in (run_folder / "steps").glob("evaluate-*"):
        shutil.rmtree(path)
    text = text_of(page_of(run_folder, out=tmp_path / "report.html"))
    assert "Nothing was scored yet, or the recipe names no benchmark." in text
    assert "every metric" not in text


def test_many_comparisons_are_told_in_a_table(many_run: Path, tmp_path: Path) -> None:
    page = page_of(many_run, out=tmp_path / "report.html")
    assert '<p class="lead">' not in page
    text = text_of(page)
    assert (
        "method-02 − method-01 no difference shown in 4 of 4 none shown: 30.0 points would have been seen 39 against 39"
        in text
    )
    assert "method-24 − method-01 higher in 4 of 4 39 against 39" in text
    assert "22 other systems" in text


def test_runs_side_by_side(make_run: MakeRun, tmp_path: Path) -> None:
    """Cross-it falls from 36 to 16 right answers of 40: 50 points less."""
    page = page_of(make_run("first"), make_run("second", cross_it_it=16), out=tmp_path / "both.html")
    text = text_of(page)
    assert "first" in text
    assert "second" in text
    assert "−50.0 [" in text


def test_nothing_is_left_of_a_page_that_fails(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "manifest.json").write_text("{")
    out = tmp_path / "pages" / "report.html"
    with pytest.raises(RunError):
        write_report([run_folder], out)
    assert not out.parent.exists()


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_nothing(
    run_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "file").write_text("mine")
    with pytest.raises(UsageError, match="it is a folder") as caught:
        write_report([run_folder], folder)
    (problem,) = caught.value.problems
    assert problem.file == str(folder)
    assert problem.remedy == f"name a file to write, such as {folder / 'report.html'}"
    with pytest.raises(UsageError, match="the page cannot be written"):
        write_report([run_folder], folder / "file" / "report.html")
    left = {path.name for path in tmp_path.rglob("*") if run_folder not in path.parents}
    assert left == {"run", "pages", "file"}


def test_control_characters_are_made_visible() -> None:
    assert visible("a\x00b\x1bc\x7fd\ud800e\n") == "a␀b␛c\ufffdd\ufffde\n"


def test_settings_are_flattened() -> None:
    assert settings({"a": {"b": 1, "c": [1, 2]}, "d": None}) == [("a.b", "1"), ("a.c", "1, 2"), ("d", "None")]
