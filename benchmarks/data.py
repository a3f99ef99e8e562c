"""Sentence pairs to demonstrations, and instructions to diverse ones, against plain scripts: rows a second and peak memory.

    python benchmarks/data.py [--tasks pairs instructions] [--sizes 10000 100000 1000000] [--repeats 1] [--out FILE]

pairs         Both read a table of made-up pairs (English, other; 60 characters a side on average), draw 20,000 of them (or
              all, where there are fewer), put half of them into each direction and write JSON lines. Ours also checks each
              row, keeps those that it drops with their reason, deals the wordings evenly and writes where each row came
              from. The other is a pandas script.
instructions  Both embed made-up English instructions (70 characters on average), cluster them and take 20,000 (or half,
              where there are fewer): equal shares of the clusters, in each the highest rated. Ours also counts verbs and
              nouns and near-duplicates of what was taken. The other is a script of scikit-learn and pandas: TF-IDF of
              words and pairs of words, 64 dimensions by SVD, k-means in mini-batches of all as many clusters.

Each run is a process of its own; contenders take turns. Time is that of the processor (`--clock cpu`, the default), which
other work on the machine hardly changes, or of the clock on the wall. Memory is the process's peak above what it held after its imports.
Passages have their own: benchmarks/passages.py. pandas takes part where it can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import Memory, alone, arguments, by_turns, given, medians, settings_of, write_figures
from passages import ENDINGS, STEMS

DRAWN = 20_000
CONTENDERS = ("calque", "pandas")
TASKS = ("pairs", "instructions")


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


def write_instructions(path: Path, rows: int) -> None:
    """One instruction and its rating a line; 400 kinds of request about 1,800 things."""
    draw = np.random.default_rng(0)
    things = np.array([stem + ending for stem in STEMS for ending in ENDINGS])
    verbs = [f"{stem}ify" for stem in STEMS[:20]]
    whom = [f"{stem}ers" for stem in STEMS[20:40]]
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            about = " ".join(things[draw.integers(0, len(things), int(draw.integers(4, 12)))])
            verb = verbs[draw.integers(len(verbs))].capitalize()
            file.write(f"{verb} {about} for {whom[draw.integers(len(whom))]}.\t{draw.random():.4f}\n")


def instructions_with_calque(path: Path, out: Path) -> None:
    from calque.curation.diversify import diversify

    lines = [line.rstrip("\n").split("\t") for line in path.open(encoding="utf-8")]
    texts, ratings = [text for text, _ in lines], [float(rating) for _, rating in lines]
    found = diversify(texts, ratings, min(DRAWN, len(texts) // 2), seed=0)
    with (out / "demonstrations.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(
            json.dumps({"instruction": texts[i], "score": ratings[i]}) + "\n" for i in found.taken
        )


def instructions_with_pandas(path: Path, out: Path) -> None:
    import csv

    import pandas as pd
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    table = pd.read_csv(path, sep="\t", names=["instruction", "score"], quoting=csv.QUOTE_NONE)
    count = min(DRAWN, len(table) // 2)
    rows = TfidfVectorizer(ngram_range=(1, 2), max_features=2**18, dtype=np.float32).fit_transform(
        table.instruction
    )
    vectors = TruncatedSVD(64, random_state=0).fit_transform(rows)
    clusters = max(2, min(1000, count // 50))
    table["cluster"] = MiniBatchKMeans(clusters, batch_size=4096, n_init=3, random_state=0).fit_predict(
        vectors
    )
    best = table.sort_values("score", ascending=False)
    taken = best.groupby("cluster").head(-(-count // clusters))[:count]
    taken.to_json(out / "demonstrations.jsonl", orient="records", lines=True, force_ascii=False)


def rows_of(path: Path) -> int:
    return int(path.stem)


WAYS: dict[tuple[str, str], Callable[[Path, Path], None]] = {
    ("pairs", "calque"): with_calque,
    ("pairs", "pandas"): with_pandas,
    ("instructions", "calque"): instructions_with_calque,
    ("instructions", "pandas"): instructions_with_pandas,
}
FILES = {"pairs": write_pairs, "instructions": write_instructions}


def run_one(name: str, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    import sklearn.cluster
    import sklearn.decomposition
    import sklearn.feature_extraction.text  # noqa: F401

    if name == "pandas":
        import pandas  # noqa: F401
    else:
        import calque.corpora.pairs
        import calque.curation.diversify
        import calque.demonstrations.translation  # noqa: F401
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    memory, began = Memory(), clock()
    with tempfile.TemporaryDirectory() as out:
        WAYS[args.tasks[0], name](args.path, Path(out))
        lines = sum(1 for _ in (Path(out) / "demonstrations.jsonl").open(encoding="utf-8"))
    seconds = clock() - began
    figures = {
        "rows_per_second": rows_of(args.path) / seconds,
        "seconds": seconds,
        "peak_megabytes": memory.peak(),
    }
    print(json.dumps({**figures, "written": lines}))


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--clock", choices=["cpu", "wall"], default="cpu")
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args)
        return
    names = [n for n in args.contenders if n != "pandas" or importlib.util.find_spec("pandas")]
    environment = dict(os.environ) | ({"OMP_NUM_THREADS": "1"} if args.clock == "cpu" else {})
    results = []
    print(f"{'':13}{'rows':>10} {'':8}{'seconds':>9}{'rows/s':>12}{'peak MB':>9}{'written':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for task in args.tasks:
            for rows in args.sizes:
                path = Path(folder) / f"{rows}.tsv"
                FILES[task](path, rows)
                words = ["--path", str(path), "--tasks", task, *given(args, "clock")]
                runs = by_turns(
                    names,
                    args.repeats,
                    lambda name, words=words: alone(name, __file__, words, env=environment),
                )
                for name, made in runs.items():
                    row = medians(made)
                    results.append({"task": task, "rows": rows, "contender": name, **row})
                    print(
                        f"{task:13}{rows:>10,} {name:8}{row['seconds']:>9.2f}{row['rows_per_second']:>12,.0f}"
                        f"{row['peak_megabytes']:>9.1f}{row['written']:>9,.0f}",
                        flush=True,
                    )
                path.unlink()
    write_figures(args.out, {"settings": settings_of(args, "clock", "repeats"), "results": results})


if __name__ == "__main__":
    main()
