"""All benchmarks of speed by one command: one JSON file and one page of tables, docs/speed-tables.md.

    python benchmarks/all.py [--only tuning vocabulary] [--quick] [--out benchmarks/results] [--page FILE]

One after the other; on two cores all of them take an hour or two, `--quick` some minutes, with
sizes that show that they run and nothing else. What fails is told and does not end the rest. With `--only` the page keeps
what the others gave before; each tells when it ran and how busy the machine was. Those that need files
(contamination, harness, identification; references.py) or a GPU (gpu.sh) are started by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ONE_STEP = ["--repeats", "1", "--steps", "1", "--examples-per-step", "4"]
FEW_TOKENS = ["--repeats", "1", "--prompts", "8", "--tokens", "8"]
MAIN = "calque, one lane;trainer, padded;trl"
# Name: script, options, options in quick. What takes hours by a script's defaults takes fewer steps, prompts or contenders here.
BENCHMARKS: dict[str, tuple[str, list[str], list[str]]] = {
    "tuning-1.5M": (
        "tuning.py",
        ["--size", "1.5M", "--steps", "3", "--only", f"{MAIN};trainer, grouped"],
        ONE_STEP,
    ),
    "tuning-1.5M-others": (
        "tuning.py",
        ["--size", "1.5M", "--steps", "2", "--repeats", "1", "--only", "calque, sdpa;trl, packed"],
        ONE_STEP,
    ),
    "tuning-10M": ("tuning.py", ["--size", "10M", "--steps", "2", "--only", MAIN], ONE_STEP),
    "tuning-60M-lora": ("tuning.py", ["--size", "60M-lora", "--steps", "2", "--only", MAIN], ONE_STEP),
    "tuning-long": (
        "tuning.py",
        ["--size", "long", "--steps", "2", "--repeats", "1", "--only", MAIN],
        ONE_STEP,
    ),
    "shares": ("shares.py", [], ["--sizes", "1.5M"]),
    "attention": ("attention.py", [], ["--repeats", "1"]),
    "tuning-10M-packed": (
        "tuning.py",
        ["--size", "10M", "--steps", "2", "--repeats", "1", "--only", "trl, packed"],
        ONE_STEP,
    ),
    "tuning-60M-lora-packed": (
        "tuning.py",
        ["--size", "60M-lora", "--steps", "2", "--repeats", "1", "--only", "trl, packed"],
        ONE_STEP,
    ),
    "pacing": ("pacing.py", ["--repeats", "3", "--steps", "3"], ONE_STEP),
    "generation-1.5M": (
        "generation.py",
        ["--size", "1.5M", "--only", "calque;generate, batch 64;ctranslate2"],
        FEW_TOKENS,
    ),
    "generation-1.5M-others": (
        "generation.py",
        ["--size", "1.5M", "--repeats", "1", "--only", "generate, batch 1;continuous batching"],
        FEW_TOKENS,
    ),
    "generation-10M": (
        "generation.py",
        ["--size", "10M", "--prompts", "64", "--tokens", "64", "--repeats", "1"],
        FEW_TOKENS,
    ),
    "step": ("step.py", [], ["--prompts", "8", "--tokens", "8"]),
    "vocabulary": (
        "vocabulary.py",
        ["--vocabularies", "8192", "262144", "--contenders", "calque", "whole", "trainer"],
        ["--vocabularies", "8192", "--rows", "2"],
    ),
    "vocabulary-torch": (
        "vocabulary.py",
        ["--vocabularies", "8192", "262144", "--rows", "4", "--contenders", "calque", "torch"],
        ["--vocabularies", "8192", "--rows", "2"],
    ),
    "startup": ("startup.py", [], ["--repeats", "1"]),
    "encoding": ("encoding.py", [], ["--sizes", "1000"]),
    "pairs": ("data.py", ["--tasks", "pairs"], ["--sizes", "2000"]),
    "instructions": (
        "data.py",
        ["--tasks", "instructions", "--sizes", "10000", "100000"],
        ["--sizes", "2000"],
    ),
    "instructions-1M": (
        "data.py",
        ["--tasks", "instructions", "--sizes", "1000000", "--contenders", "calque"],
        ["--sizes", "2000"],
    ),
    "passages": ("passages.py", ["--sizes", "3000", "10000"], ["--sizes", "500"]),
    "products": ("products.py", [], ["--prompts", "8", "--tokens", "8"]),
    "passages-1M": (
        "passages.py",
        ["--sizes", "100000", "1000000", "--contenders", "calque"],
        ["--sizes", "500"],
    ),
}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    names = (
        "torch",
        "transformers",
        "peft",
        "tokenizers",
        "trl",
        "datasets",
        "ctranslate2",
        "pandas",
        "datatrove",
    )
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "versions": {name: version for name in names if (version := _version(name))},
    }


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def run(name: str, quick: bool, folder: Path) -> dict[str, Any]:
    """Run one; return its command, its table and its figures."""
    script, options, fewer = BENCHMARKS[name]
    out = folder / f"{name}.json"
    out.unlink(missing_ok=True)
    command = [script, *options, *(fewer if quick else [])]
    load, began = os.getloadavg()[0], time.perf_counter()
    done = subprocess.run(
        [sys.executable, str(HERE / script), *command[1:], "--out", str(out)],
        stdout=subprocess.PIPE,
        stderr=None,
        text=True,
        check=False,
    )
    figures = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else None
    return {
        "command": f"python benchmarks/{shlex.join(command)}",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "load": round(load, 1),
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "failed": done.returncode != 0,
        "table": done.stdout.rstrip(),
        "figures": figures,
    }


def page(result: dict[str, Any]) -> str:
    """The tables as Markdown."""
    about = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    missing = [name for name in BENCHMARKS if name not in result["benchmarks"]]
    lines = [
        "# Speed: all figures",
        "",
        "Made by `make benchmarks`, in one call or in several; what the figures mean, and which goals they miss, stands in",
        "[speed.md](speed.md). "
        + (
            f"**Not on this page, for they did not run: {', '.join(missing)}.**"
            if missing
            else "All of them ran."
        ),
        "Load is the number of processes that ran or waited in the minute before.",
        "",
        f"{about['cpu']}, {about['cores']} cores. Python {about['python']}, {versions}.",
    ]
    for name in (name for name in BENCHMARKS if name in result["benchmarks"]):
        one = result["benchmarks"][name]
        state = " **failed**" if one["failed"] else ""
        when = f"{one['date']}, load {one['load']}, {one['minutes']} minutes"
        lines += [
            "",
            f"## {name}{state}",
            "",
            f"    {one['command']}",
            "",
            f"{when}.",
            "",
            "```",
            one["table"],
            "```",
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", default=[], help="benchmarks whose names begin so")
    parser.add_argument(
        "--quick", action="store_true", help="sizes that show that they run, and nothing else"
    )
    parser.add_argument("--out", type=Path, default=HERE / "results")
    parser.add_argument("--page", type=Path, help="where the page goes; OUT/all.md by default")
    args = parser.parse_args()
    names = [name for name in BENCHMARKS if not args.only or name.startswith(tuple(args.only))]
    if not all(any(name.startswith(word) for name in names) for word in args.only):
        parser.error(f"--only: there is no such benchmark; there are {', '.join(BENCHMARKS)}")
    if args.quick:
        args.out /= "quick"  # never in the place of figures that took hours
    args.out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {"machine": machine(), "quick": args.quick, "benchmarks": {}}
    if args.only and (args.out / "all.json").is_file():
        earlier = json.loads((args.out / "all.json").read_text(encoding="utf-8"))
        if earlier["machine"] != result["machine"]:
            parser.error(
                f"{args.out}/all.json is of another machine, or of other versions: take another --out"
            )
        result["benchmarks"] = earlier["benchmarks"]
    for name in names:
        print(f"## {name}", flush=True)
        one = run(name, args.quick, args.out)
        print(one["table"], "failed" if one["failed"] else "", flush=True)
        result["benchmarks"][name] = one
        (args.out / "all.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (args.page or args.out / "all.md").write_text(page(result), encoding="utf-8")
    sys.exit(any(result["benchmarks"][name]["failed"] for name in names))


if __name__ == "__main__":
    main()
