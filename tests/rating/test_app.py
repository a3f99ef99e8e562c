"""The page: what it shows and what it never tells; first without a browser, then in a real one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `web` is not installed")
from fastapi.testclient import TestClient

from calque.errors import UsageError
from calque.rating import serve
from calque.rating.app import make_app
from calque.rating.desk import Desk
from calque.rating.pairs import Wanted, draw
from calque.rating.serve import LOOPBACK, rate
from calque.rating.store import Store
from calque.reports.folder import read_run
from calque.reports.ratings import RATINGS


def verdicts(folder: Path) -> list[str]:
    rows = [json.loads(line) for line in (folder / RATINGS).read_text("utf-8").splitlines()]
    return [row["verdict"] for row in rows if row["rater"]]


@pytest.fixture
def client(run_folder: Path) -> Iterator[TestClient]:
    with closing(Store(run_folder)) as store:
        desk = Desk(draw([read_run(run_folder)], Wanted()), [store], 0)
        yield TestClient(make_app(desk, LOOPBACK), base_url="http://127.0.0.1")


def begin(client: TestClient, name: str = "Ana", *languages: str) -> str:
    return client.post("/start", data={"name": name, "language": list(languages or ("ar", "it"))}).text


def pair_of(page: str) -> str:
    found = re.search(r'name="pair" value="([^"]+)"', page)
    assert found, page
    return found[1]


def test_from_the_start_to_the_end(client: TestClient, run_folder: Path) -> None:
    assert "5 pairs of answers" in client.get("/").text
    page = begin(client)
    for n in range(1, 6):
        assert f"{n} of 5" in page
        page = client.post("/rate", data={"pair": pair_of(page), "verdict": "left" if n < 3 else "tie"}).text
    assert "Thank you, Ana" in page
    assert sorted(verdicts(run_folder))[2:] == ["tie"] * 3
    page = client.post("/undo").text
    assert "5 of 5" in page
    assert len(verdicts(run_folder)) == 4


def test_no_page_tells_which_system_wrote_what(client: TestClient) -> None:
    page = begin(client)
    pages = [client.get("/").text]
    for _ in range(5):
        pages.append(page)
        page = client.post("/rate", data={"pair": pair_of(page), "verdict": "both_bad"}).text
    for text in (*pages, page, client.get("/keys.js").text, client.get("/style.css").text):
        assert not re.search("alpaca|cross-|evaluate", text)


def test_texts_are_shown_as_they_are_and_written_in_their_direction(client: TestClient) -> None:
    page, pages = begin(client, "Ana", "ar"), []
    for _ in range(3):
        pages.append(page)
        page = client.post("/rate", data={"pair": pair_of(page), "verdict": "tie"}).text
    text = "".join(pages)
    assert "&lt;script&gt;window.broken" in text
    assert "<script>" not in text
    assert '<section class="question" lang="ar" dir="rtl"' in text
    assert '<p dir="ltr">Drinking water is good for you!</p>' in text
    assert '<p dir="rtl">Python هي لغة برمجة.</p>' in text
    assert "(no answer)" in text


def test_nothing_from_outside(client: TestClient) -> None:
    answer = client.get("/")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http" not in re.sub(r"<meta http-equiv", "", answer.text)
    assert "url(" not in client.get("/style.css").text
    for path in ("/docs", "/openapi.json", "/redoc"):
        assert client.get(path).status_code == 404


def test_other_pages_cannot_reach_it(client: TestClient, run_folder: Path) -> None:
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    begin(client)
    assert "SameSite=strict" in client.post(
        "/start", data={"name": "Ana", "language": "it"}, follow_redirects=False
    ).headers["set-cookie"]  # fmt: skip
    client.cookies.clear()
    stranger = client.post("/rate", data={"pair": "0-0", "verdict": "left"}, follow_redirects=False)
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/")
    assert verdicts(run_folder) == []


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"name": " ", "language": "it"}, "type a name"),
        ({"name": "Ana", "language": "xx"}, "choose a language"),
    ],
)
def test_a_rater_has_a_name_and_a_language(client: TestClient, form: dict[str, str], told: str) -> None:
    assert told in client.post("/start", data=form).text


@pytest.mark.parametrize("cookie", ["%", "%5B1%5D", "null", "%5B%22A%22%2C3%5D", "[" * 2000])
def test_a_broken_cookie_is_none(client: TestClient, cookie: str) -> None:
    answer = client.get("/rate", headers={"cookie": f"calque-rater={cookie}"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_a_pair_that_is_not_there_is_not_rated(client: TestClient, run_folder: Path) -> None:
    page = begin(client)
    for form in (
        {"pair": "0-0", "verdict": "left"},
        {"pair": pair_of(page), "verdict": "first"},
        {"pair": "x" * 70_000},
    ):
        answer = client.post("/rate", data=form)
        assert answer.status_code == 400
        assert "Nothing was rated" in answer.text
    assert verdicts(run_folder) == []


def test_names_of_all_scripts_and_signs(client: TestClient, run_folder: Path) -> None:
    assert "&lt;b&gt;" in begin(client, '<b>;"مريم, 李')
    client.post("/rate", data={"pair": pair_of(client.get("/rate").text), "verdict": "tie"})
    assert '<b>;\\"مريم, 李' in (run_folder / RATINGS).read_text("utf-8")


def test_without_the_extra_the_command_says_what_to_install(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(UsageError, match=r"uvicorn is not installed.*\n\s+pip install 'calque\[web\]'"):
        rate([run_folder], Wanted())


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The command itself, at a free port."""
    code = "from calque.cli import main; main()"
    command = [sys.executable, "-c", code, "rate", str(folder), "--no-browser"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        assert process.stdout is not None
        address = next(found[0] for line in process.stdout if (found := re.search(r"http://\S+", line)))
        yield address, process
    finally:
        process.kill()
        process.wait()


def shown(page: Any, count: str) -> None:
    page.until(
        f"document.readyState === 'complete' && document.querySelector('.count')?.textContent === '{count}'"
    )


def test_in_a_browser_with_the_keyboard_and_a_kill(run_folder: Path, page: Any) -> None:
    with served(run_folder) as (address, process):
        page.open(address)
        page.type("Ana")
        page.run("document.querySelector('button.go').click()")
        shown(page, "1 of 5")
        page.press("1", repeated=True)
        page.press("ArrowRight")
        shown(page, "2 of 5")
        page.press("9")
        shown(page, "3 of 5")
        assert not page.run("window.broken")
        assert len(verdicts(run_folder)) == 2, "a key that is held down does not count"
        page.press("Backspace")
        shown(page, "2 of 5")
        page.press("2")
        shown(page, "3 of 5")
        process.send_signal(signal.SIGKILL)
        process.wait()
    with served(run_folder) as (address, _):
        page.open(f"{address}rate")
        shown(page, "3 of 5")
        for n in range(4, 6):
            page.press("1")
            shown(page, f"{n} of 5")
        page.press("1")
        page.until("document.title === 'All rated'")
    assert len(verdicts(run_folder)) == 5
    assert "both_bad" not in verdicts(run_folder)


def test_an_arabic_pair_on_a_phone(run_folder: Path, page: Any) -> None:
    with served(run_folder) as (address, _):
        page.size(390, 844, phone=True)
        page.open(address)
        page.type("Ana")
        page.run("document.querySelector('[value=it]').click(); document.querySelector('button.go').click()")
        for n in range(1, 4):
            shown(page, f"{n} of 3")
            assert page.run("document.documentElement.scrollWidth") == 390, "nothing runs over the side"
            buttons = page.run(
                "[...document.querySelectorAll('form.verdict button')].map(b => b.getBoundingClientRect().toJSON())"
            )
            assert all(b["height"] >= 44 and b["left"] >= 0 and b["right"] <= 390 for b in buttons), (
                "for a thumb"
            )
            lines = page.run(
                "[...document.querySelectorAll('.answer p[dir]')].map(p => [p.dir, getComputedStyle(p).direction])"
            )
            assert lines
            assert all(dir_ == direction for dir_, direction in lines)
            stacked = page.run(
                "[...document.querySelectorAll('.answer')].map(a => a.getBoundingClientRect().top)"
            )
            assert stacked[0] < stacked[1]
            page.run("document.querySelector('form.verdict button').click()")
        page.until("document.title === 'All rated'")


def test_ctrl_c_ends_it_with_a_word_on_where_the_ratings_are(run_folder: Path) -> None:
    with served(run_folder) as (_, process):
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read() if process.stdout is not None else ""
        assert process.wait(timeout=30) == 0
    assert f"ratings: {run_folder / RATINGS}" in rest
