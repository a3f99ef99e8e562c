"""Sentence pairs to translation demonstrations, against a pandas script: rows a second and peak memory by size of file.

    python benchmarks/data.py [--sizes 10000 100000 1000000] [--repeats 3] [--out FILE]

Both read a table of made-up pairs (English, other; 60 characters a side on average), draw 20,000 of them (or all, where
there are fewer), put half of them into each direction and write JSON lines. Ours also checks each row, keeps those that
it drops with their reason, deals the wordings evenly and writes where each row came from. Each run is a process of its
own; contenders take turns. Memory is the process's peak above what it held after its imports. pandas takes part where
it can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DRAWN = 20_000
CONTENDERS = ("calque", "pandas")


def write_pairs(path: Path, rows: int) -> None:
    """A table of pairs; every thousandth row lacks a side."""
    draw = np.random.default_rng(0)
    words = np.array(
        ["casa", "ponte", "mare", "vento", "libro", "strada", "luce", "pietra", "fiume", "città"]
    )
    with path.open("w", encoding="utf-8") as file:
        for i in range(rows):
            picked = words[draw.integers(0, len(words), int(draw.integers(6, 16)))]
            text = " ".join(picked)
            file.write(f"{i} {text}\t{'' if i % 1000 == 7 else f'{text} {i}'}\n")


def with_calque(path: Path, out: Path) -> None:
    from calque.corpora.demonstration_files import write_demonstrations
    from calque.corpora.ledger import Ledger
    from calque.corpora.pairs import PairFiles, read_pairs
    from calque.demonstrations.translation import translation_demonstrations

    with Ledger(out / "dropped.jsonl") as ledger:
        count = min(DRAWN, rows_of(path) // 2)
        pairs = ledger.keep(read_pairs(PairFiles("it", path=path)))
        made = translation_demonstrations(pairs, language="it", count=count, seed=0)
        write_demonstrations(out / "demonstrations.jsonl", made)


def with_pandas(path: Path, out: Path) -> None:
    import csv

    import pandas as pd

    table = pd.read_csv(path, sep="\t", names=["en", "it"], quoting=csv.QUOTE_NONE).dropna()
    drawn = table.sample(min(DRAWN, rows_of(path) // 2), random_state=0)
    half = len(drawn) // 2
    into, back = drawn[:half], drawn[half:]
    rows = pd.concat(
        [
            pd.DataFrame({"instruction": "Translate into Italian.", "input": into.en, "output": into.it}),
            pd.DataFrame({"instruction": "Traduci in inglese.", "input": back.it, "output": back.en}),
        ]
    )
    rows.to_json(out / "demonstrations.jsonl", orient="records", lines=True, force_ascii=False)


def rows_of(path: Path) -> int:
    return int(path.stem)


def peak() -> float:
    """Megabytes of resident memory, at most, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_one(name: str, path: Path) -> None:
    """One run, in this process; prints its figures as JSON."""
    if name == "pandas":
        import pandas  # noqa: F401
    else:
        import calque.corpora.pairs
        import calque.demonstrations.translation  # noqa: F401
    before, began = peak(), time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        {"calque": with_calque, "pandas": with_pandas}[name](path, Path(out))
        lines = sum(1 for _ in (Path(out) / "demonstrations.jsonl").open(encoding="utf-8"))
    seconds = time.perf_counter() - began
    figures = {
        "rows_per_second": rows_of(path) / seconds,
        "seconds": seconds,
        "peak_megabytes": peak() - before,
    }
    print(json.dumps({**figures, "written": lines}))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--repeats", type=int, default=3, help="runs of each contender at each size")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.path)
        return
    names = [n for n in CONTENDERS if n != "pandas" or importlib.util.find_spec("pandas")]
    results = []
    print(f"{'rows':>10} {'':8}{'seconds':>9}{'rows/s':>12}{'peak MB':>9}{'written':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for rows in args.sizes:
            path = Path(folder) / f"{rows}.tsv"
            write_pairs(path, rows)
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _ in range(args.repeats):
                for name in names:
                    command = [sys.executable, __file__, "--one", name, "--path", str(path)]
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                    if done.returncode != 0:
                        sys.exit(f"{name}: {done.stderr}")
                    runs[name].append(json.loads(done.stdout.splitlines()[-1]))
            for name, made in runs.items():
                row = {key: statistics.median(run[key] for run in made) for key in made[0]}
                results.append({"rows": rows, "contender": name, **row})
                print(
                    f"{rows:>10,} {name:8}{row['seconds']:>9.2f}{row['rows_per_second']:>12,.0f}"
                    f"{row['peak_megabytes']:>9.1f}{row['written']:>9,.0f}"
                )
            path.unlink()
    if args.out:
        args.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
