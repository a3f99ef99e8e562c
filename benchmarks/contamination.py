"""What the search for contamination finds where it is known what there is: translations of XQuAD, and nothing in Alpaca.

    python benchmarks/contamination.py DATA [--only translations alpaca] [--out FILE]

DATA holds `xquad/`, `mlqa/`, `mmlu-en/`, `mmlu-ar/`, `bbh-en/` and `alpaca-en-zh/`. translations: XQuAD in another language as
training data, its English questions as the set; a row is found rightly where it is met with the question of its own id, or
with another one on the same text, which stands in the row. alpaca: Alpaca's rows in English against all these sets. Seconds are of one thread's
processor time, memory is what the process held more than before.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

from common import Figures, Memory, write_figures

from calque.contamination.find import Asked, Finder
from calque.corpora.instruction_files import read_instructions
from calque.evaluation.asked import items_of
from calque.recipes.official_files import find
from calque.records import Demonstration, Message, Provenance

SETS = {"xquad": "en ar de es zh", "mlqa": "en ar de es zh", "mmlu": "en ar", "bbh": "en"}


def asked(data: Path, benchmark: str, code: str) -> list[Asked]:
    """What a benchmark asks in a language."""
    items = items_of(benchmark, list(find(benchmark, code, data)), code).items
    return [
        Asked(f"{benchmark} in {code}", one.id, code, one.question, one.context or "\n".join(one.choices))
        for one in items
    ]


def row(one: Asked, number: int) -> Demonstration:
    """A question as somebody might train on it."""
    messages = (
        Message("user", one.question, one.language, input=one.material),
        Message("assistant", "…", one.language, trained=True),
    )
    return Demonstration("instruction", messages, Provenance(one.set, number))


def translations(data: Path) -> Figures:
    english, found = asked(data, "xquad", "en"), {}
    finder, by_id = Finder(english), {one.id: one for one in english}
    for code in SETS["xquad"].split()[1:]:
        rows = asked(data, "xquad", code)
        met: dict[int, list[Asked]] = {}
        for hit in finder.scan(row(one, i) for i, one in enumerate(rows)):
            if hit.asked is not None:
                met.setdefault(hit.row.provenance.row, []).append(english[hit.asked])
        own = sum(any(one.id == rows[i].id for one in of) for i, of in met.items())
        passage = sum(any(one.material == by_id[rows[i].id].material for one in of) for i, of in met.items())
        found[code] = {"rows": len(rows), "found": len(met), "its_own_question": own}
        found[code] |= {"another_on_its_text": passage - own, "wrongly": len(met) - passage}
        print(f"translations, {code}: {found[code]}", flush=True)
    return found


def alpaca(data: Path) -> Figures:
    questions = [
        one for name, codes in SETS.items() for code in codes.split() for one in asked(data, name, code)
    ]
    files = sorted(data.glob("alpaca-en-zh/*-en.json.gz"))
    rows = [one for file in files for one in read_instructions(file, "en") if isinstance(one, Demonstration)]
    memory, began = Memory(), time.process_time()
    finder = Finder(questions)
    indexed = time.process_time() - began
    hits = list(finder.scan(rows))
    found = {
        "rows": len(rows),
        "questions": len(questions),
        "hits": dict(Counter(hit.kind for hit in hits)),
        "sets": dict(Counter(hit.set for hit in hits)),
        "seconds": round(time.process_time() - began, 1),
        "seconds_to_index": round(indexed, 1),
        "gigabytes": round(memory.peak() / 1024, 2),
    }
    print(f"alpaca: {found}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    counts = {"translations": translations, "alpaca": alpaca}
    parser.add_argument("--only", nargs="+", choices=counts, default=list(counts), help="which of them")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    args = parser.parse_args()
    write_figures(args.out, {name: counts[name](args.data) for name in args.only})


if __name__ == "__main__":
    main()
