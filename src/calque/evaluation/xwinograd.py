"""XWinograd (Tikhonov and Ryabinin 2021): whom a pronoun means, in six languages; all of them stand in one TSV file.

Its columns: language, source, English original, sentence, tokens, [pronoun, [first, end], tokens], candidates [[text, [first,
end], tokens, whether it is right], …], the last three in JSON; Japanese is called `jp` there. Each candidate is put in the
pronoun's place. `accuracy` compares what the model holds of the rest of the sentence behind it (partial scoring of Trinh
and Le 2018, as in lm-evaluation-harness), which does not favour frequent candidates; `accuracy_whole` compares whole
sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from calque.evaluation.benchmark import Benchmark, Grader
from calque.evaluation.items import Item, Reply
from calque.evaluation.multiple_choice import best, cells, item
from calque.evaluation.wording import Wording
from calque.records import Rejected

NAMES = {"jp": "ja"}


def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
    """The sentences in `language`; the others are put aside. The id is the row's number."""
    for path in files:
        for line in cells(path):
            if isinstance(line, Rejected):
                yield line
                continue
            row, found = line
            if len(found) != 7:
                yield Rejected(
                    path.name, row, "wrong_columns", f"{len(found)} columns", "\t".join(found)[:500]
                )
            elif NAMES.get(found[0], found[0]) != language:
                yield Rejected(path.name, row, "other_language", found[0])
            else:
                yield _item(path, row, found, language, wording)


def _item(path: Path, row: int, found: list[str], language: str, wording: Wording) -> Item | Rejected:
    sentence = found[3]
    try:
        tokens, pronoun, candidates = (json.loads(cell) for cell in found[4:])
        place = _place(sentence, tokens, pronoun[1][0], pronoun[0])
        texts = [str(text).strip() for text, *_ in candidates]
        right = [i for i, candidate in enumerate(candidates) if candidate[3] is True]
    except (ValueError, TypeError, LookupError):
        return Rejected(path.name, row, "wrong_type", "tokens, pronoun or candidates", sentence[:500])
    if place is None:
        detail = f"the pronoun {pronoun[0]!r} does not stand where it should"
        return Rejected(path.name, row, "pronoun_not_found", detail, sentence[:500])
    if len(right) > 1:
        return Rejected(path.name, row, "several_golds", f"{len(right)} candidates are right", sentence[:500])
    before, behind = sentence[:place], sentence[place + len(pronoun[0]) :]
    if not behind.strip():
        return Rejected(path.name, row, "nothing_behind", "the pronoun ends the sentence", sentence[:500])
    starts = [before + text for text in texts]
    return item(
        path,
        row,
        id_=f"{path.name.split('.', 1)[0]}:{row}",
        language=language,
        conversation=wording.conversation(""),
        question=f"{before}_{behind}",
        choices=texts,
        gold=right[0] if right else None,
        group=found[1],
        compared=(*(start + behind for start in starts), *starts),
    )


def _place(sentence: str, tokens: list[Any], index: int, pronoun: str) -> int | None:
    """Where the pronoun, the token `index`, begins in the sentence; None where it does not stand there."""
    at = 0
    for token in tokens[:index]:
        found = sentence.find(str(token).strip(), at)
        if found < 0:
            return None
        at = found + len(str(token).strip())
    found = sentence.find(pronoun, at)
    return found if found >= 0 and not sentence[at:found].strip() else None


def _grade(item_: Item, reply: Reply) -> dict[str, float]:
    half = len(reply.log_likelihoods) // 2
    whole, starts = reply.log_likelihoods[:half], reply.log_likelihoods[half:]
    rest = [a - b for a, b in zip(whole, starts, strict=True)]
    return {"accuracy": best(rest, item_), "accuracy_whole": best(whole, item_)}


XWINOGRAD = Benchmark(
    name="xwinograd",
    about="XWinograd: the TSV file of all languages",
    form="sentence",
    read=read,
    graders=lambda _language: (
        Grader("likelihood", ("accuracy", "accuracy_whole"), _grade, reads_text=False),
    ),
    verdict="accuracy",
    max_new_tokens=0,
    ending=".tsv",
    chooses="texts",
    writes=False,
)
