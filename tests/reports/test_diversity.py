"""The section on diverse selections, from figures that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calque.errors import RunError
from calque.reports.diversity import Diversity, Instructions
from calque.reports.folder import read_run
from calque.reports.page import write_report


def with_diverse(run_folder: Path) -> Path:
    pairs = [["write", "<b>poem</b>", 1200], ["stop", "", 3]] + [[f"v{i}", "n", 1] for i in range(8)]
    taken = {"instructions": 2000, "clusters": 40, "largest_cluster": 50, "verb_nouns": 950}
    taken |= {"commonest": pairs, "near_duplicates": 7}
    best = {"instructions": 2000, "clusters": 31, "largest_cluster": 625, "verb_nouns": 410}
    best |= {"commonest": pairs[:1], "near_duplicates": 1024}
    for name, dry in (("select-kept-2-it", 3), ("select-plain-ar", None)):
        place = run_folder / "steps" / name
        place.mkdir()
        (place / "counts.json").write_text(json.dumps({"rows": 8000, "kept": 2000, "dropped": {}}))
        if dry is not None:
            row = {"clusters": 40, "dry": dry, "taken": taken, "best": best}
            (place / "figures.json").write_text(json.dumps(row))
    return run_folder


def test_a_selection_is_read_as_it_was_written_and_only_one_that_is_diverse(run_folder: Path) -> None:
    pairs = (("write", "<b>poem</b>", 1200), ("stop", "", 3), ("v0", "n", 1), ("v1", "n", 1), ("v2", "n", 1))
    taken = Instructions(2000, 40, 50, 950, 7, pairs)
    best = Instructions(2000, 31, 625, 410, 1024, pairs[:1])
    assert read_run(with_diverse(run_folder)).diversity == (Diversity("kept-2", "it", 40, 3, taken, best),)
    assert (taken.largest_share, best.largest_share) == (0.025, 0.3125)


def test_the_page_shows_them_and_only_where_there_are_any(run_folder: Path, tmp_path: Path) -> None:
    assert "Diversity of" not in write_report([run_folder], tmp_path / "a.html").read_text("utf-8")
    page = write_report([with_diverse(run_folder)], tmp_path / "b.html").read_text("utf-8")
    section = page[page.index("Diversity of the selections") :].partition("</section>")[0]
    for text in (
        '<th scope="row">kept-2</th><td class="where">Italian</td><td class="where">2,000 taken</td>',
        '<td class="where">2,000 best alone</td>',
        "40 of 40<small>3 ran dry</small>",
        "31 of 40</td>",
        "2.5%",
        "31.2%",  # of 31.25, to the even digit
        ">950<",
        ">1,024<",
        "write &lt;b&gt;poem&lt;/b&gt; 1,200, ",
        "stop – 3, ",
    ):
        assert text in section
    assert section.count("<tr") == 3  # the head, taken, the best
    assert "<b>" not in section
    assert "v3" not in section


def test_nothing_taken_is_no_share() -> None:
    assert Instructions(0, 0, 0, 0, 0, ()).largest_share == 0.0


def test_a_damaged_file_is_told(run_folder: Path) -> None:
    path = with_diverse(run_folder) / "steps/select-kept-2-it/figures.json"
    path.write_text(json.dumps({"clusters": 3}))
    with pytest.raises(RunError, match="field 'dry' is missing"):
        read_run(run_folder)
