"""Passages through filters and near-duplicates: ours, datatrove's, and a plain pandas script; by size of file.

    python benchmarks/passages.py [--peers PYTHON] [--sizes 3000 10000 100000] [--repeats 1] [--out FILE]

All read the same Parquet file of made-up Italian passages (900 characters on average) of which is known what they are: one
in ten repeats an earlier one with two words changed, one in twenty repeats one letter for letter, one in twenty is too
short and one in twenty says the same line over and over. Each drops by length, symbols, list items, dots and repetition,
then near-duplicates (Jaccard 0.7 or so), and writes what it keeps.

calque         our filters without the language of each text, and MinHash of 128 numbers over 5-grams of characters
calque-all     the same with the language of each text and of its lines, as a recipe has it by default
datatrove      Gopher's quality and repetition filters, its four stages of MinHash (14 x 8 numbers, 5-grams of words)
pandas         the same rules as a script of one page, and datasketch's MinHashLSH (128 numbers, 5-grams of characters)

`found` is the share of the known near-duplicates and copies that were dropped as what they are, `lost` the share of good
passages that were dropped. Each run is a process of its own; contenders take turns. Time is that of the
processor, imports left out, for a busy machine stretches any other. Memory is the process's peak above what
it held after its imports. `--peers` is the Python of an environment with benchmarks/requirements.txt, where calque need
not be; without it the peers run with this one, as far as it has them.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from common import Memory, alone, arguments, by_turns, medians, settings_of, write_figures

CONTENDERS = ("calque", "calque-all", "datatrove", "pandas")
STEMS = (  # noqa: SIM905
    "acqua albero amic animal arch aria asin band barc bosc bracc camp cant capell cart cas castell caval cen chies ciel citt"
    " coll color coltell corp cos cucin cuor dent don dorm erb fabbric facci famigli ferr fest figli fior fium foc font forn"
    " frutt fugg gallin gatt gent giardin giorn gonn grid guard infant isol lag lamp lav legn lett libr lingu lun lup mac madr"
    " man mar mattin mel mercat mond mont mur muse nas nav negozi nev nid nott nuvol occhi or orecchi ors palazz pan parol pass"
    " past pecor penn pesc piatt piazz piccol pied pietr piogg pont port prat princip quadr ragazz re regal ricc ros rott sabbi"
    " sal sangu scal scarp scuol sedi ser sol sorell specchi spiagg stanz stell strad tavol teatr temp terr test tett tren uccell"
    " uom vall vecchi vent verd vest vi villaggi vin vit voc volp zamp zi zucch"
).split()  # fmt: skip
ENDINGS = "a o e i etto ina are ava ato ando ano one".split()  # noqa: SIM905
BETWEEN = "il la un una di del nel con per e che non si a dal alla".split()  # noqa: SIM905
SHORT, LOOP, NEAR, COPY, GOOD = "short", "loop", "near", "copy", "good"


def write_passages(path: Path, rows: int) -> None:
    """A Parquet file with `id` (what kind of passage it is, and its number) and `text`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    draw = np.random.default_rng(0)
    words = np.array([stem + ending for stem in STEMS for ending in ENDINGS])
    made: list[list[str]] = []

    def sentence() -> list[str]:
        length = int(draw.integers(8, 15))
        filled = np.empty(length, dtype=object)
        filled[0::2] = words[draw.integers(0, len(words), len(filled[0::2]))]
        filled[1::2] = np.array(BETWEEN)[draw.integers(0, len(BETWEEN), len(filled[1::2]))]
        filled[0], filled[-1] = filled[0].capitalize(), f"{words[draw.integers(0, len(words))]}."
        return list(filled)

    def passage(row: int) -> tuple[str, list[str]]:
        kind = [SHORT, LOOP, NEAR, COPY, NEAR][row % 20] if row % 20 < 5 and row >= 20 else GOOD
        if kind == SHORT:
            return kind, sentence()
        if kind == LOOP:
            return kind, sentence() * 12
        if kind == GOOD:
            made.append([word for _ in range(int(draw.integers(9, 18))) for word in sentence()])
            return kind, made[-1]
        text = list(made[int(draw.integers(0, len(made)))])
        for at in draw.integers(1, len(text) - 1, 2 if kind == NEAR else 0):
            text[at] = str(words[draw.integers(0, len(words))])
        return kind, text

    schema = pa.schema([("id", pa.string()), ("text", pa.string())])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 1000):
            made_now = [(row, *passage(row)) for row in range(start, min(rows, start + 1000))]
            table = {
                "id": [f"{kind}-{row}" for row, kind, _ in made_now],
                "text": [" ".join(t) for *_, t in made_now],
            }
            writer.write_table(pa.table(table, schema))


def with_calque(path: Path, out: Path, *, language: bool) -> set[str]:
    from calque.corpora.ledger import Ledger
    from calque.corpora.passage_files import stored_passages, write_passages
    from calque.corpora.passages import PassageFiles, read_passages
    from calque.curation.duplicates import Duplicates
    from calque.curation.passages import judged
    from calque.curation.settings import PassageSettings
    from calque.records import Rejected

    settings = PassageSettings(foreign=0.75 if language else 1.0)
    duplicates = Duplicates(settings.near_duplicates, out)
    with Ledger(out / "dropped.jsonl") as ledger:

        def drop(passage: Any, why: Any) -> None:
            where = passage.provenance
            ledger.drop(Rejected(where.dataset, where.row, why.reason, why.detail, passage.text[:500]))

        def filtered() -> Any:
            for one in judged(ledger.keep(read_passages(PassageFiles("it", (path,)))), settings, "it"):
                if one.drop:
                    drop(one.passage, one.drop)
                else:
                    duplicates.add(one.passage)
                    yield one.passage

        def first_ones() -> Any:
            for passage, why in zip(
                stored_passages(out / "survivors.parquet"), duplicates.drops(), strict=True
            ):
                if why is None:
                    yield passage
                else:
                    drop(passage, why)

        write_passages(out / "survivors.parquet", filtered())
        write_passages(out / "kept.parquet", first_ones())
    return {passage.source for passage in stored_passages(out / "kept.parquet")}


def with_datatrove(path: Path, out: Path) -> set[str]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
    from datatrove.pipeline.readers import ParquetReader
    from datatrove.pipeline.writers import JsonlWriter, ParquetWriter
    from datatrove.utils.logging import logger

    logger.remove()
    folder = str(out)
    kept = f"{folder}/filtered"

    def carry_out(*pipeline: Any, tasks: int = 1) -> None:
        LocalPipelineExecutor(
            pipeline=list(pipeline),
            tasks=tasks,
            workers=1,
            skip_completed=False,
            logging_dir=f"{folder}/logs",
        ).run()

    carry_out(
        ParquetReader(str(path.parent), glob_pattern=path.name),
        GopherRepetitionFilter(language="it", exclusion_writer=JsonlWriter(f"{folder}/repetition")),
        GopherQualityFilter(
            language="it", min_stop_words=0, exclusion_writer=JsonlWriter(f"{folder}/quality")
        ),
        ParquetWriter(kept),
    )
    carry_out(ParquetReader(kept), MinhashDedupSignature(f"{folder}/signatures", language="it"))
    carry_out(MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets"), tasks=14)
    carry_out(MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove"))
    carry_out(
        ParquetReader(kept),
        MinhashDedupFilter(f"{folder}/remove", exclusion_writer=JsonlWriter(f"{folder}/duplicates")),
        ParquetWriter(f"{folder}/kept"),
    )
    import pyarrow.parquet as pq

    return set(pq.read_table(f"{folder}/kept", columns=["id"])["id"].to_pylist())


def with_pandas(path: Path, out: Path) -> set[str]:
    import pandas as pd
    from datasketch import MinHash, MinHashLSH

    table = pd.read_parquet(path)
    text = table.text
    lines = text.str.split("\n")

    def share(hits: Any) -> Any:
        return hits / lines.str.len()

    def repeats(one: str) -> float:
        ngrams = [one[i : i + 20] for i in range(len(one) - 19)]
        return 1 - len(set(ngrams)) / max(1, len(ngrams))

    table = table[
        text.str.len().between(200, 8000)
        & (text.str.count(r"[^\w\s.,;:!?'\"()\-]") / text.str.len() <= 0.1)
        & (share(lines.map(lambda ls: sum(bool(re.match(r"[-*•] ", line)) for line in ls))) <= 0.8)
        & (share(lines.map(lambda ls: sum(line.endswith("...") for line in ls))) <= 0.3)
        & (text.map(repeats) <= 0.3)
    ].drop_duplicates("text")
    index, fresh = MinHashLSH(threshold=0.7, num_perm=128), []
    for name, one in zip(table.id, table.text, strict=True):
        signature = MinHash(128)
        signature.update_batch([one[i : i + 5].encode() for i in range(len(one) - 4)])
        fresh.append(not index.query(signature))
        if fresh[-1]:
            index.insert(name, signature)
    table = table[fresh]
    table.to_parquet(out / "kept.parquet")
    return set(table.id)


def spent() -> float:
    """Seconds of processor time so far, with those of child processes."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def run_one(name: str, path: Path) -> None:
    """One run, in this process; prints its figures as JSON."""
    if name == "datatrove":
        import datatrove.pipeline.dedup
        import datatrove.pipeline.filters  # noqa: F401
    elif name == "pandas":
        import datasketch  # noqa: F401
        import pandas  # noqa: F401
    else:
        import calque.curation.passages  # noqa: F401
    memory, began = Memory(), spent()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        if name == "datatrove":
            kept = with_datatrove(path, out)
        elif name == "pandas":
            kept = with_pandas(path, out)
        else:
            kept = with_calque(path, out, language=name == "calque-all")
        seconds = spent() - began
    print(json.dumps({"seconds": seconds, "peak_megabytes": memory.peak(), **quality(kept, path)}))


def quality(kept: set[str], path: Path) -> dict[str, float]:
    """What was found and what was lost of what is known."""
    import pyarrow.parquet as pq

    names = pq.read_table(path, columns=["id"])["id"].to_pylist()
    there = Counter(name.split("-")[0] for name in names)
    stay = Counter(name.split("-")[0] for name in kept)
    twice = there[NEAR] + there[COPY]
    return {
        "kept": len(kept),
        "found": 1 - (stay[NEAR] + stay[COPY]) / max(1, twice),
        "lost": 1 - stay[GOOD] / there[GOOD],
        "bad_kept": stay[SHORT] + stay[LOOP],
    }


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[3_000, 10_000, 100_000])
    parser.add_argument("--peers", default=sys.executable, help="Python with the peers")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=CONTENDERS)
    parser.add_argument("--path", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.path)
        return
    results = []
    print(
        f"{'rows':>8} {'':11}{'seconds':>9}{'rows/s':>9}{'peak MB':>9}{'kept':>9}{'found':>7}{'lost':>7}{'bad kept':>9}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for rows in args.sizes:
            path = Path(folder) / f"{rows}.parquet"
            write_passages(path, rows)
            pythons = {name: args.peers for name in args.contenders if not name.startswith("calque")}
            runs = by_turns(
                args.contenders,
                args.repeats,
                lambda name, pythons=pythons, path=path: alone(
                    name, __file__, ["--path", str(path)], python=pythons.get(name, sys.executable)
                ),
            )
            for name, made in runs.items():
                row = medians(made)
                results.append({"rows": rows, "contender": name, **row})
                print(
                    f"{rows:>8,} {name:11}{row['seconds']:>9.1f}{rows / row['seconds']:>9,.0f}{row['peak_megabytes']:>9.1f}"
                    f"{row['kept']:>9,.0f}{row['found']:>7.3f}{row['lost']:>7.3f}{row['bad_kept']:>9,.0f}",
                    flush=True,
                )
            path.unlink()
    write_figures(args.out, {"settings": settings_of(args, "repeats"), "results": results})


if __name__ == "__main__":
    main()
