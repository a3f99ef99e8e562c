"""PAWS-X (Yang et al. 2019): whether two sentences that share most words mean the same, in seven languages.

The options are the words for no and yes of the prompt's language. Official TSV files: id, sentence1, sentence2, label with
a header; or sentence1, sentence2, label without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from calque.evaluation.benchmark import Benchmark
from calque.evaluation.items import Item, once
from calque.evaluation.multiple_choice import LABELS, cells, item
from calque.evaluation.source import stem
from calque.evaluation.wording import Wording
from calque.records import Rejected


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The pairs. Pairs whose sentence is missing (`NS` in the official files) are put aside as `empty_question`."""
    return once(row for path in files for row in _read(path, language, wording))


def _read(path: Path, language: str, wording: Wording) -> Iterator[Item | Rejected]:
    for line in cells(path):
        if isinstance(line, Rejected):
            yield line
            continue
        row, found = line
        if row == 1 and found[-1] in ("label", "noisy_label"):
            continue
        if len(found) not in (3, 4):
            yield Rejected(path.name, row, "wrong_columns", f"{len(found)} columns", "\t".join(found)[:500])
            continue
        *numbered, first, second, label = found
        if label not in ("0", "1", ""):
            yield Rejected(path.name, row, "bad_label", f"{label[:20]!r} is neither 0 nor 1")
            continue
        missing = "NS" in (first, second) or not first
        yield item(
            path,
            row,
            id_=f"{stem(path)}:{numbered[0] if numbered else row}",
            language=language,
            conversation=wording.conversation(second, context=first),
            question="" if missing else second,
            choices=wording.words("labels"),
            gold=int(label) if label else None,
            context=first,
        )


PAWSX = Benchmark(
    name="pawsx",
    about="PAWS-X: TSV files",
    form="paraphrase",
    read=read,
    graders=lambda _language: (LABELS,),
    verdict="accuracy",
    max_new_tokens=0,
    ending=".tsv",
    chooses="texts",
    writes=False,
    examples=((r"/test_2k\.tsv", "/dev_2k.tsv"), (r"/test-(\w+)(\.labelled)?\.tsv", r"/dev-\1.tsv")),
)
