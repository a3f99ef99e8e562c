from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calque.recipes.ranks import ranks


def test_without_torchrun_there_is_one_process_and_it_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = ranks()
    assert alone.leads
    assert alone.tell("what was said") == "what was said"
    alone.part()


def command(project: Path, *before: str, out: str) -> subprocess.CompletedProcess[str]:
    words = ["calque", "run", str(project / "recipe.yaml"), "tuning.precision=fp32", f"out={out}"]
    return subprocess.run(
        [sys.executable, "-m", *before, *words],
        cwd=project,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def losses(folder: Path) -> dict[str, list[float]]:
    return {
        path.parent.name: [json.loads(line)["loss"] for line in path.read_text().splitlines()]
        for path in sorted(folder.glob("steps/tune-*/loss.jsonl"))
    }


TWO = (
    "torch.distributed.run",
    "--nproc-per-node",
    "2",
    "--rdzv-backend",
    "c10d",
    "--rdzv-endpoint",
    "localhost:0",
    "-m",
)


@pytest.mark.slow
def test_two_processes_learn_as_one_does(project: Path) -> None:
    one, two = command(project, out="one"), command(project, *TWO, out="two")
    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert two.stdout.count("report: ") == 1, "the first process alone speaks"
    alone, together = losses(project / "one"), losses(project / "two")
    assert list(alone) == list(together) != []
    for name, curve in alone.items():
        assert together[name] == pytest.approx(curve, abs=1e-4), name


@pytest.mark.slow
def test_a_fault_ends_both_processes(project: Path) -> None:
    (project / "pairs.tsv").write_text("")
    done = command(project, *TWO, out="two")
    assert done.returncode != 0
    assert "error: " in done.stderr, done.stderr
