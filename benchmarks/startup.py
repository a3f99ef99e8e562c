"""How long a command takes to begin: ours, and those of the peers that are there.

    python benchmarks/startup.py [--repeats 5] [--out FILE]

Each is a process of its own; contenders take turns. `seconds` is by the clock, `processor` is that of the process and its children.
`calque check` is given the recipe of the lab's world (`--help` of the peers reads nothing): for the first time, with `--all`, and
`again`, when it remembers what it read. Bytecode is kept, whatever the environment says, as it is for who uses the program.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Figures, alone, arguments, by_turns, medians, settings_of, write_figures

BIN = Path(sys.executable).parent
PEERS = {"trl --help": ["trl", "--help"], "lm_eval --help": ["lm_eval", "--help"]}


def commands(world: Path) -> dict[str, list[str]]:
    """What is started, by the name that the table gives it."""
    ours = str(BIN / "calque")
    recipe = str(world / "crossalpaca.yaml")
    return {
        "calque --help": [ours, "--help"],
        "calque lab --help": [ours, "lab", "--help"],
        "calque check": [ours, "check", recipe],
        "calque check --all": [ours, "check", recipe, "--all"],
        "check --all, again": [ours, "check", recipe, "--all"],
        "import torch": [sys.executable, "-c", "import torch"],
        "import transformers": [sys.executable, "-c", "from transformers import AutoModelForCausalLM"],
        **{name: [str(BIN / words[0]), *words[1:]] for name, words in PEERS.items()},
    }


def _starts(command: list[str]) -> bool:
    """Whether a peer is there and begins at all."""
    if not Path(command[0]).is_file():
        print(f"{' '.join(command)}: not there", file=sys.stderr)
        return False
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        print(f"{' '.join(command)}: ended with {done.returncode}\n{done.stderr}", file=sys.stderr)
    return done.returncode == 0


def _environment(memory: Path) -> dict[str, str]:
    """The environment of a start; in `memory` `calque check` finds what it did before."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "CALQUE_CACHE": str(memory)}


def run_one(name: str, world: Path) -> None:
    """One start; prints its figures as JSON."""
    with tempfile.TemporaryDirectory() as nothing:
        environment = _environment(world / "memory" if name.endswith("again") else Path(nothing))
        began = time.perf_counter()
        subprocess.run(commands(world)[name], check=True, stdout=subprocess.DEVNULL, env=environment)
        seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps({"seconds": seconds, "processor": used.ru_utime + used.ru_stime}))


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--world", type=Path)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.world)
        return
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder)
        make = [str(BIN / "calque"), "lab", "world", folder, "--language", "it"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        for first in (commands(world)["calque check --all"], commands(world)["calque --help"]):
            subprocess.run(first, check=True, stdout=subprocess.DEVNULL, env=_environment(world / "memory"))
        runs: dict[str, list[Figures]] = by_turns(
            [name for name, command in commands(world).items() if name not in PEERS or _starts(command)],
            args.repeats,
            lambda name: alone(name, __file__, ["--world", folder]),
        )
    table = {name: medians(made) for name, made in runs.items()}
    print(f"{'':22}{'seconds':>9}{'processor':>11}")
    for name, row in table.items():
        print(f"{name:22}{row['seconds']:>9.2f}{row['processor']:>11.2f}")
    write_figures(args.out, {"settings": settings_of(args, "repeats"), "medians": table, "runs": runs})


if __name__ == "__main__":
    main()
