"""A run of two systems with answers to a few open questions; and a real Chromium.

The browser is driven over the pipe of its debugging protocol: messages of JSON, each ended by a zero byte.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

WATER = "شرب الماء بانتظام يساعد الجسم على:\n\n1. تنظيم درجة الحرارة (37 درجة).\n2. تحسين التركيز.\n\nلذلك يُنصح به."
OPEN = {  # question, the answer of the baseline, that of the method
    "ar": [
        ("ما هي فوائد شرب الماء؟", "Drinking water is good for you!", WATER),
        ("اشرح كيف يعمل Python <script>window.broken = 1</script>", "بايثون لغة.", "Python هي لغة برمجة."),
        ("من أنت؟", "", "مساعد"),
    ],
    "it": [
        ("Scrivi una poesia sul mare.", "Mare <b>mare</b> mare.", "Il mare respira,\nl'onda ritorna."),
        ("Perché il cielo è blu?", "Per la luce.", "Per la luce. "),
        ("Chi sei?", "Sono un modello.", "Un assistente."),
        ("Dove sei?", "", ""),
    ],
}


def write(path: Path, *rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def write_open(folder: Path, language: str, rows: list[tuple[str, str, str]]) -> None:
    """The answers of `alpaca` and of `cross` to open questions in a language."""
    for column, role in ((1, "alpaca"), (2, "cross")):
        place = folder / "steps" / f"evaluate-{role}-{language}-open-{language}"
        score = {
            "benchmark": "open",
            "language": language,
            "metric": "finished",
            "value": 1.0,
            "low": 1.0,
            "high": 1.0,
        }
        write(place / "scores.jsonl", {**score, "n": 1, "model": f"{role}-{language}"})
        answers = [
            {
                "id": f"o{i}",
                "question": row[0],
                "golds": [],
                "answer": row[column],
                "correct": True,
                "metrics": {},
            }
            for i, row in enumerate(rows)
        ]
        write(place / "answers.jsonl", *answers)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    for language, rows in OPEN.items():
        write_open(folder, language, rows)
    systems = [
        {"name": f"{role}-{language}", "role": role, "language": language}
        for role in ("alpaca", "cross")
        for language in OPEN
    ]
    manifest = {
        "recipe": "tried",
        "seed": 0,
        "languages": ["it", "ar"],
        "systems": systems,
        "model": {"path": "m"},
    }
    write(folder / "manifest.json", {**manifest, "comparisons": [["alpaca", "cross"]]})
    return folder


PATIENCE = 60.0  # seconds
KEYS = {"1": ("Digit1", 49), "2": ("Digit2", 50), "9": ("Digit9", 57), "ArrowLeft": ("ArrowLeft", 37),
        "ArrowRight": ("ArrowRight", 39), "Backspace": ("Backspace", 8)}  # fmt: skip


class Page:
    """One tab."""

    def __init__(self, to: int, back: int) -> None:
        self._to, self._back = to, back
        self._read = b""
        self._number = 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Page", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What the browser answers; what it tells of itself meanwhile is passed over."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE
        while True:
            answer = self._next(until)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _next(self, until: float) -> dict[str, Any]:
        while b"\0" not in self._read:
            ready, _, _ = select.select([self._back], [], [], max(0.0, until - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self._back, 1 << 16)
            assert more, "the browser has ended"
            self._read += more
        line, _, self._read = self._read.partition(b"\0")
        return dict(json.loads(line))

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """As of a screen of so many pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=phone,
        )

    def open(self, address: str) -> None:
        """Go there, and wait until it is loaded."""
        self.run("window.before = true")
        self.call("Page.navigate", url=address)
        self.until("!window.before && document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, condition: str) -> None:
        """Wait until an expression is true; a page that changes meanwhile is asked again."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            answer = self.call("Runtime.evaluate", expression=condition, returnByValue=True)
            if answer["result"].get("value"):
                return
            time.sleep(0.02)
        pytest.fail(f"it never came to this: {condition}")

    def press(self, key: str, *, repeated: bool = False) -> None:
        """Press a key on the keyboard."""
        code, number = KEYS[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=code, windowsVirtualKeyCode=number,
                autoRepeat=repeated and kind == "rawKeyDown",
            )  # fmt: skip

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, path: Path) -> None:
        """Write what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A tab of a real Chromium; the test is skipped where there is none."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no Chromium on this machine")
    (theirs, to), (back, ours) = os.pipe(), os.pipe()
    quiet = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        f"--user-data-dir={tmp_path / 'browser'}",
    ]
    pipe = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null'  # the browser wants the pipe as files 3 and 4
    process = subprocess.Popen(
        ["sh", "-c", pipe, "sh", browser, *quiet, "--remote-debugging-pipe"],
        stdin=theirs,
        stdout=ours,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    os.close(ours)
    try:
        yield Page(to, back)
    finally:
        process.kill()
        process.wait()
        os.close(to)
        os.close(back)
