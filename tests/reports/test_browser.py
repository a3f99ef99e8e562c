"""The page in a real browser: on paper, and at the widths of phones and screens."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from calque.reports.page import write_report

pytestmark = pytest.mark.slow

MakeRun = Callable[..., Path]


def browse(page: Path, *flags: str) -> str:
    """What Chromium prints on a page in a folder of its own; skipped where there is none."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no Chromium on this machine")
    quiet = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'browser'}"]
    done = subprocess.run(
        [browser, *quiet, *flags, page.as_uri()], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_what_is_folded_is_open_on_paper(run_folder: Path, tmp_path: Path) -> None:
    if shutil.which("pdftotext") is None:
        pytest.skip("there is no pdftotext on this machine")
    write_report([run_folder], tmp_path / "report.html")
    browse(tmp_path / "report.html", f"--print-to-pdf={tmp_path / 'page.pdf'}")
    done = subprocess.run(
        ["pdftotext", tmp_path / "page.pdf", "-"], capture_output=True, text=True, check=True
    )
    assert "name: tried" in done.stdout, "the recipe"
    assert "evaluate-cross-it-xquad-it" in done.stdout, "the steps"
    assert "xquad|lang:it" in done.stdout, "the signatures"


def measured(page: Path, width: int) -> tuple[int, ...]:
    """Of the page in a frame `width` wide, unfolded: what it takes and what is seen, its height, the most that a table hides."""
    source = html.escape(page.read_text(encoding="utf-8"))
    frame = f'<iframe srcdoc="{source}" style="width:{width}px;height:900px;border:0"></iframe>'
    measure = (
        "<script>onload=()=>{const d=frames[0].document, e=d.documentElement;"
        "for(const folded of d.querySelectorAll('details')) folded.open=true;"
        "const hidden=[...d.querySelectorAll('.scroll')].map(t=>t.scrollWidth-t.clientWidth);"
        "document.title=[e.scrollWidth,e.clientWidth,e.scrollHeight,Math.max(...hidden)].join()}</script>"
    )
    outer = page.with_name("frame.html")
    outer.write_text(f"<title>none</title>{frame}{measure}", encoding="utf-8")
    dom = browse(outer, "--window-size=1400,1000", "--virtual-time-budget=3000", "--dump-dom")
    found = re.search(r"<title>([\d,]+)</title>", dom)
    assert found is not None, dom[:300]
    return tuple(map(int, found[1].split(",")))


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_nothing_runs_over_the_side(run_folder: Path, tmp_path: Path, width: int) -> None:
    takes, seen, height, hidden = measured(write_report([run_folder], tmp_path / "report.html"), width)
    assert 0 <= width - seen <= 20, "but for the bar to scroll with"
    assert takes == seen
    assert height > 1000
    assert hidden == 0, "no table needs to be scrolled sideways"


@pytest.mark.parametrize("width", [390, 1280])
def test_many_systems_fit(many_run: Path, tmp_path: Path, width: int) -> None:
    takes, seen, _, hidden = measured(write_report([many_run], tmp_path / "report.html"), width)
    assert (takes, hidden) == (seen, 0)


@pytest.mark.parametrize("width", [390, 1200])
def test_no_table_is_cut_however_much_there_is(wide_run: Path, tmp_path: Path, width: int) -> None:
    takes, seen, _, hidden = measured(write_report([wide_run], tmp_path / "report.html"), width)
    assert (takes, hidden) == (seen, 0)


@pytest.mark.parametrize("width", [390, 1200])
def test_many_runs_side_by_side_fit(make_run: MakeRun, tmp_path: Path, width: int) -> None:
    runs = [make_run(f"a-name-of-a-folder-{i}") for i in range(9)]
    for i, run in enumerate(runs):
        (run / "manifest.json").write_text(
            (run / "manifest.json").read_text().replace("models/tiny", "models/" + f"{i}" * 90)
        )
    takes, seen, _, hidden = measured(write_report(runs, tmp_path / "report.html"), width)
    assert (takes, hidden) == (seen, 0)
