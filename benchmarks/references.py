"""All comparisons of our scores with the references by one command, which fails where one of them does.

    python benchmarks/references.py DATA [--only spans harness]

spans: exact match and F1 against MLQA's script and SQuAD 1.1's rules. ifeval, ifeval-es: verifiable instructions against the
official checks. confusion: pass rates against the Language Confusion Benchmark's rule. harness, harness-shots: accuracies
and answers against lm-evaluation-harness, with the same random model, prompts and files. Each is a script of this
folder, here on part of the files; by itself it takes more of them. `make references DATA=FOLDER` sets up the peers first.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SMALL = ["--repeats", "1", "--threads", "1", "--clock", "cpu"]


def scripts(data: str) -> dict[str, list[str]]:
    """Name: script and options."""
    return {
        "spans": ["spans.py", data],
        "ifeval": ["ifeval.py", data, "--answers", "3"],
        "ifeval-es": ["ifeval.py", data, "--answers", "3", "--language", "es"],
        "confusion": ["confusion.py", data, "--answers", "50"],
        "harness": ["harness.py", "--data", data, "--limit", "50", *SMALL],
        "harness-shots": ["harness.py", "--data", data, "--limit", "20", "--shots", "5", *SMALL],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="the folder of official files")
    parser.add_argument("--only", nargs="+", default=[], help="which of them")
    given = parser.parse_args()
    found = scripts(given.data)
    if unknown := set(given.only) - set(found):
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; there are {', '.join(found)}")
    failed = []
    for name in given.only or found:
        script, *options = found[name]
        print(f"## {name}: python benchmarks/{' '.join(found[name])}", flush=True)
        done = subprocess.run([sys.executable, str(HERE / script), *options], check=False)
        failed += [name] if done.returncode else []
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
