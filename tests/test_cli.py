"""The program as its user calls it: what it prints, what it exits with, what it imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

MAIN = [sys.executable, "-c", "from calque.cli import main; main()"]


def calque(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MAIN, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"], ["lab", "--help"]])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nsys.argv[1:] = sys.argv[1:]\nfrom calque.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'transformers', 'numpy', 'pyarrow', 'matplotlib', 'jinja2'}\n"
        "    print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_words_and_wrong_words_are_wrong_usage() -> None:
    assert calque().returncode == 2
    assert calque("walk").returncode == 2
    wrong = calque("check", "crossalpaca", "model")
    assert (wrong.returncode, "key=value" in wrong.stderr) == (2, True)
    twice = calque("run", "crossalpaca", "out=a", "out=b")
    assert (twice.returncode, "out=" in twice.stderr) == (2, True)


def test_mistakes_of_the_user_come_without_a_traceback(project: Path) -> None:
    text = (project / "recipe.yaml").read_text(encoding="utf-8")
    (project / "recipe.yaml").write_text(
        text.replace("seed: 3", "seed: x").replace("template:", "templat:").replace("count: 12", "count: -2"),
        encoding="utf-8",
    )
    done = calque("run", "recipe.yaml", cwd=project)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "recipe.yaml:2: seed" in done.stderr
    assert "recipe.yaml:4: there is no setting 'model.templat'\n    did you mean 'template'?" in done.stderr
    assert "recipe.yaml:11: demonstrate.translations.count" in done.stderr
    assert done.stderr.count("error: ") == 3


def test_check_counts_without_writing(project: Path) -> None:
    before = sorted(path.name for path in project.iterdir())
    done = calque("check", "recipe.yaml", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "part translations-it: 24 rows of pairs.tsv can be used; 12 are taken" in done.stdout
    assert "benchmark xquad in it: 4 questions" in done.stdout
    assert (
        "21 steps: 3 × demonstrate, 1 × contamination, 3 × mix, 3 × encode, 8 × evaluate, 3 × tune"
        in done.stdout
    )
    assert sorted(path.name for path in project.iterdir()) == before


def test_check_tells_all_that_is_too_much(project: Path) -> None:
    done = calque("check", "recipe.yaml", "demonstrate.translations.count=25", "systems.x-alpaca.mix.x-instructions=30",
                  cwd=project)  # fmt: skip
    assert done.returncode == 1
    assert "25 translations are asked for, and there are 24 sentence pairs" in done.stderr
    assert "system x-alpaca-it: 30 rows of x-instructions-it are asked for, and there are 24\n" in done.stderr


def test_run_show_and_report(project: Path) -> None:
    done = calque("run", "recipe.yaml", "out=r", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "report: r/report.html" in done.stdout
    again = calque("run", "r", cwd=project)
    assert again.returncode == 0, again.stderr
    assert "nothing to do: all 21 steps stand already" in again.stdout
    shown = calque("show", "r", cwd=project)
    assert shown.returncode == 0, shown.stderr
    assert "tune-x-crossalpaca-it" in shown.stdout
    assert calque("run", "r", "seed=4", "out=s", cwd=project).returncode == 0
    both = calque("report", "r", "s", "--out=both.html", cwd=project)
    assert both.returncode == 0, both.stderr
    assert (project / "both.html").stat().st_size > 10_000
    nothing = calque("report", "model", cwd=project)
    assert nothing.returncode == 1
    assert "no run folder" in nothing.stderr


def test_a_recipe_is_planned_without_what_only_its_steps_need() -> None:
    program = (
        "import sys, calque.recipes.checking\n"
        "heavy = {'torch', 'transformers', 'scipy', 'sklearn', 'sacrebleu', 'httpx2', 'pandas', 'py3langid'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [["--help"], ["show", "--help"], ["lab", "--help"], ["check", "--help"]])
def test_help_is_had_without_what_only_work_needs(words: list[str]) -> None:
    program = (
        "import sys\nfrom calque.cli import main\n"
        "try:\n    main()\nfinally:\n    print(sorted({'torch', 'transformers', 'numpy', 'pyarrow'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_interrupted_run_says_so_and_exits_with_130(project: Path) -> None:
    process = subprocess.Popen(
        [*MAIN, "run", "recipe.yaml", "out=r", "tuning.epochs=5000"],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore it, and what these start does too.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    log = project / "r/log.jsonl"
    while not (log.is_file() and '"step": "tune-en-alpaca"' in log.read_text(encoding="utf-8")):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command goes on from here" in errors
    assert "Traceback" not in errors
    json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
