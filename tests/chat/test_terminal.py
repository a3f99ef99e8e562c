"""The command as its user calls it: from a pipe, on a pseudo-terminal, with Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from typer.testing import CliRunner, Result

from calque.cli import app
from calque.recipes.tuned import read_tuned
from calque.records import Message

MAIN = [sys.executable, "-c", "from calque.cli import main; main()", "chat"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TERM": "dumb", "COLUMNS": "120"}


def piped(text: str, *words: str | Path) -> Result:
    """The command in this process, with a pipe for its input."""
    return CliRunner().invoke(app, ["chat", *map(str, words)], input=text)


def answers(run: Path, name: str, *texts: str) -> list[str]:
    """The run's own greedy answers."""
    tuned = read_tuned(run)
    system = tuned.wanted(name, None)
    engine = tuned.workshop().engine(system.name, system.step, "fp32")
    return [c.text for c in engine.complete([(Message("user", t, "it"),) for t in texts], max_new_tokens=24)]


def test_a_pipe_gives_the_answer_and_nothing_else(full_run: Path) -> None:
    text = "Di' dov'è.\nil cane"
    (wanted,) = answers(full_run, "x-crossalpaca", text)
    done = subprocess.run(
        [*MAIN, str(full_run), "--max-tokens", "24"],
        input=f"{text}\n", env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{wanted}\n")
    assert "Traceback" not in done.stderr


def test_lines_commands_and_several_systems(full_run: Path, tmp_path: Path) -> None:
    lines = [
        "il cane",
        "/reset",
        "/system base,x-alpaca",
        "il cane",
        f"/save {tmp_path / 'said.jsonl'}",
        "/quit",
        "no",
    ]
    done = piped("\n".join(lines), full_run, "--lines", "--max-tokens", "24")
    (first,) = answers(full_run, "x-crossalpaca", "il cane")
    (base,) = answers(full_run, "base", "il cane")
    (other,) = answers(full_run, "x-alpaca", "il cane")
    assert done.stdout == f"{first}\nbase:\n{base}\nx-alpaca-it:\n{other}\n"
    rows = [json.loads(line) for line in (tmp_path / "said.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["model"] for row in rows] == ["base", "x-alpaca-it"]
    assert rows[1]["messages"] == [
        {"role": "user", "content": "il cane", "language": "it"},
        {"role": "assistant", "content": other, "language": "it"},
    ]


def test_mistakes(full_run: Path, tmp_path: Path) -> None:
    done = piped("/sytsem\nil cane", full_run, "--lines")
    assert (done.exit_code, "did you mean /system?" in done.stderr) == (1, True)
    assert done.stdout.strip()
    for words, told in (
        ([full_run, "--system", "y"], "there is no y"),
        ([full_run, "--answers", "pivott"], "pivott"),
        ([full_run, "--template", "plain"], "a run has its template"),
        ([tmp_path], "config.json"),
    ):
        done = piped("il cane", *words)
        assert done.exit_code != 0
        assert told in done.stderr
        assert isinstance(done.exception, SystemExit)


def test_an_exported_model_says_the_same_merged_or_as_an_adapter(lora_run: Path, tmp_path: Path) -> None:
    from calque.export.model import ModelExport, export_model

    tuned = read_tuned(lora_run)
    system = tuned.wanted("x-alpaca", None)
    (wanted,) = answers(lora_run, "x-alpaca", "il cane")
    for form in ("merged", "adapter"):
        list(export_model(tuned, system, tmp_path / form, ModelExport(form)))  # type: ignore[arg-type]
    done = piped("il cane", tmp_path / "merged", "--max-tokens", "24")
    assert (done.stdout, done.exit_code) == (f"{wanted}\n", 0), done.stderr
    base = tuned.workshop().base.folder
    done = piped("il cane", tmp_path / "adapter", "--base", base, "--max-tokens", "24")
    assert (done.stdout, done.exit_code) == (f"{wanted}\n", 0), done.stderr
    lost = piped("il cane", tmp_path / "adapter")
    assert "say --base FOLDER_OR_HUB_ID" in lost.stderr


class Screen:
    """What a pseudo-terminal shows, and what is typed on it."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self.text = ""

    def until(self, pattern: str, seconds: float = 240) -> str:
        """Read until the pattern stands behind what was read before; returns what came up to there."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, f"no {pattern!r} in {self.text!r}"
            if select.select([self.handle], [], [], 0.2)[0]:
                self.text += os.read(self.handle, 4096).decode(errors="replace")
        before, self.text = self.text[: found.end()], self.text[found.end() :]
        return before

    def type(self, text: str) -> None:
        os.write(self.handle, text.encode())

    def interrupt(self, pattern: str) -> str:
        """Ctrl-C, and what comes up to the pattern.

        One that comes after the prompt is written and before it is waited on is only heard with the next key.
        """
        for _ in range(8):
            self.type("\x03")
            with suppress(AssertionError):
                return self.until(pattern, 30)
        return self.until(pattern)


# A process of its own takes the terminal: to fork this one, which has threads, may hang. What a shell starts in the background
# ignores Ctrl-C, and so would what that starts: a whole suite may have been started so.
TAKES_IT = (
    "import fcntl, os, signal, sys, termios; signal.signal(signal.SIGINT, signal.SIG_DFL); os.setsid(); "
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


@contextmanager
def terminal(*words: str | Path) -> Iterator[tuple[Screen, subprocess.Popen[bytes]]]:
    """A program on a terminal of its own, and its process."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", TAKES_IT, *map(str, words)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=ENVIRONMENT) as process:
        os.close(theirs)
        try:
            yield Screen(ours), process
        finally:
            process.kill()
            os.close(ours)


def test_on_a_terminal(full_run: Path) -> None:
    (wanted,) = answers(full_run, "x-crossalpaca", "il cane")
    with terminal(*MAIN, full_run, "--max-tokens", "24") as (screen, process):
        assert "x-crossalpaca-it: Italian, greedy, at most 24 tokens" in screen.until("> $")
        screen.interrupt("> $")  # at the prompt it clears the line
        screen.type("il cane\n")
        assert wanted.split("\n")[0] in screen.until("\n.*> $")
        screen.type("/system\n")
        assert "* x-crossalpaca-it (Italian)" in screen.until("> $")
        screen.type("/nonsense\n")
        assert "there is no command" in screen.until("> $")
        screen.type("\x04")
        assert process.wait(60) == 0


ENDLESS = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has its background jobs ignore it
from calque.chat.partners import Partner, Source
from calque.chat.talk import Manner
from calque.chat.terminal import Terminal

class Endless:
    def room(self, conversation):
        return 1000
    def write(self, conversation, *, max_new_tokens, sampling):
        yield f"{len(conversation)}:"
        while True:
            time.sleep(0.01)
            yield "la"

class Known(Source):
    def load(self, partner):
        return Endless()

source = Known()
source.partners = (Partner("bird", ("it",), source),)
raise SystemExit(Terminal(source, source.partners, Manner("it")).run())
"""


def test_ctrl_c_in_a_pipe_ends_the_program_with_130() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("canta")
        process.stdin.close()
        assert process.stdout.read(4) == "1:la"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_ctrl_c_ends_the_answer_and_not_the_program() -> None:
    with terminal(sys.executable, "-c", ENDLESS) as (screen, process):
        screen.until("> $")
        screen.type("canta\n")
        screen.until("1:lala")
        screen.type("\x03")
        assert "stopped; it stands in the history as far as it came" in screen.until("> $")
        screen.type("ancora\\\n")
        screen.until(r"\. $")
        screen.type("una volta\n")
        screen.until("3:lala")
        screen.type("\x03")
        screen.until("> $")
        screen.type("/undo\n")
        assert "taken back: ancora" in screen.until("> $")
        screen.type("/quit\n")
        assert process.wait(60) == 0
