"""Native text of one language to the passages that are worth learning from.

What it leaves, for whoever goes on from it: `passages.parquet` in the form of `calque.corpora.passage_files` (id, text,
language, dataset, row, licence, source; read it with `stored_passages`), in the order of the files.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.corpora.ledger import Ledger
from calque.corpora.passage_files import stored_passages, write_passages
from calque.corpora.passages import read_passages
from calque.corpora.writing import write_json
from calque.curation.drop import Drop
from calque.curation.settings import PassageSettings
from calque.errors import DataError, Problem
from calque.recipes.resolved import ResolvedPassages
from calque.recipes.steps import Work
from calque.records import Passage, Rejected

if TYPE_CHECKING:
    from calque.corpora.scratch import Scratch
    from calque.curation.duplicates import Duplicates

FIRST = 200  # rows of each source that a glance reads
TRIED = 2000  # passages of a language that are judged on trial; all are read
PERCENT = (10, 50, 90)
_BATCH = 256  # passages tokenised at a time


@dataclass(frozen=True)
class Passages:
    """Read the files, take boilerplate out, drop what the filters drop, then duplicates.

    Twice through: the filters leave survivors on disk, with their signatures and lengths, and duplicates are found among
    these. In memory there is a batch of texts, and what has a like among the others.
    """

    given: ResolvedPassages
    curation: PassageSettings

    kind: ClassVar[Literal["passages"]] = "passages"
    after: ClassVar[tuple[str, ...]] = ()
    model: ClassVar[Literal["tokenizer"]] = "tokenizer"
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`passages-LANG`."""
        return f"passages-{self.given.language}"

    @property
    def settings(self) -> dict[str, Any]:
        """How the files are read, and the filters."""
        sources = [[len(s.paths), s.unit, s.markup, s.text_field, s.licence] for s in self.given.sources]
        return {"language": self.given.language, "sources": sources, **self.curation.model_dump(mode="json")}

    @property
    def files(self) -> tuple[Path, ...]:
        """The source files."""
        return tuple(path for source in self.given.sources for path in source.paths)

    def preflight(self) -> str:
        """Read the first rows of each source: files of another form show in them."""
        rows = [row for source in self.given.sources for row in islice(read_passages(source), FIRST)]
        good = sum(isinstance(row, Passage) for row in rows)
        return f"of the first {len(rows):,} rows {good:,} can be read"

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write passages.parquet, dropped.jsonl, statistics.json and counts.json."""
        from calque.corpora.scratch import Scratch
        from calque.curation.duplicates import Duplicates
        from calque.engines.loading import load_tokenizer

        tokenizer = load_tokenizer(work.workshop.base)
        survivors = work.folder / "survivors.parquet"
        duplicates = Duplicates(self.curation.near_duplicates, work.folder)
        measured, lengths = Scratch(work.folder, "int64", 2), _Lengths()
        with Ledger(work.folder / "dropped.jsonl") as ledger:
            read = ledger.keep(read_passages(*self.given.sources))
            tried = islice(read, TRIED) if work.trial else read
            filtered = self._filtered(_told(tried, work), ledger, tokenizer, measured)
            write_passages(survivors, _added(filtered, duplicates))
            ledger.set_aside("not_tried", sum(1 for _ in read))
            first_ones = _first_ones(survivors, duplicates.drops(), ledger, measured, lengths)
            write_passages(work.folder / "passages.parquet", first_ones)
            counts = {**ledger.counts(), "files": [path.name for path in self.files]}
        survivors.unlink()
        if not (counts["kept"] or counts["dropped"].get("not_tried")):
            raise DataError(self._nothing(counts["dropped"]))
        statistics = {"language": self.given.language, "kept": counts["kept"], **lengths.to_row()}
        write_json(work.folder / "statistics.json", statistics)
        write_json(work.folder / "counts.json", counts)
        return {
            **counts,
            "characters": statistics["characters"]["all"],
            "tokens": statistics["tokens"]["all"],
        }

    def _filtered(
        self, passages: Iterable[Passage], ledger: Ledger, tokenizer: Any, measured: Scratch
    ) -> Iterator[Passage]:
        """The passages that no filter drops, the limit in tokens among them; the others go to the ledger.

        Of each of them `measured` takes the tokens and the characters of boilerplate taken out.
        """
        from calque.curation.passages import judged

        found = judged(passages, self.curation, self.given.language)
        most = self.curation.most_tokens
        while batch := list(islice(found, _BATCH)):
            for one in batch:
                if one.drop is not None:
                    ledger.drop(_rejected(one.passage, one.drop))
            left = [one for one in batch if one.drop is None]
            texts = [one.passage.text for one in left]
            ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"] if texts else []
            for one, tokens in zip(left, map(len, ids), strict=True):
                if most is not None and tokens > most:
                    drop = Drop("too_many_tokens", f"tokens: {tokens:,}, at most {most:,}")
                    ledger.drop(_rejected(one.passage, drop))
                else:
                    measured.append((tokens, one.taken_out))
                    yield one.passage

    def _nothing(self, dropped: dict[str, int]) -> Problem:
        reasons = ", ".join(f"{n} × {reason}" for reason, n in dropped.items()) or "there is none"
        message = f"no passage in {self.given.language} is kept ({reasons})"
        return Problem(
            message, str(self.files[0]), remedy="look into curate.passages, and at what the files hold"
        )


class _Lengths:
    """Characters and tokens of the passages that stay, and characters of boilerplate taken out: how often each occurs."""

    def __init__(self) -> None:
        self.characters: Counter[int] = Counter()
        self.tokens: Counter[int] = Counter()
        self.taken_out = 0

    def add(self, characters: int, tokens: int, taken_out: int) -> None:
        self.characters[characters] += 1
        self.tokens[tokens] += 1
        self.taken_out += taken_out

    def to_row(self) -> dict[str, Any]:
        """Sums and quantiles."""
        return {
            "characters": _summary(self.characters),
            "tokens": _summary(self.tokens),
            "boilerplate_taken_out": self.taken_out,
        }


def _summary(counts: Counter[int]) -> dict[str, Any]:
    """The sum, and the least value that so many percent do not exceed; of nothing noughts."""
    values = sorted(counts)
    sums = list(accumulate(counts[value] for value in values))
    places = [bisect_left(sums, -(-counts.total() * percent // 100)) for percent in PERCENT]
    quantiles = [values[place] for place in places] if values else [0] * len(PERCENT)
    return {"all": sum(value * count for value, count in counts.items()), "quantiles": quantiles}


def _added(passages: Iterable[Passage], duplicates: Duplicates) -> Iterator[Passage]:
    for passage in passages:
        duplicates.add(passage)
        yield passage


def _first_ones(
    survivors: Path, drops: Iterable[Drop | None], ledger: Ledger, measured: Scratch, lengths: _Lengths
) -> Iterator[Passage]:
    """The survivors without those that are like an earlier one; `lengths` takes theirs."""
    figures = (row for block in measured.blocks() for row in block.tolist())
    for passage, drop, (tokens, taken_out) in zip(stored_passages(survivors), drops, figures, strict=True):
        if drop is None:
            lengths.add(len(passage.text), tokens, taken_out)
            yield passage
        else:
            ledger.drop(_rejected(passage, drop))


def _rejected(passage: Passage, drop: Drop) -> Rejected:
    origin = passage.provenance
    return Rejected(origin.dataset, origin.row, drop.reason, drop.detail, passage.text[:500])


def _told(passages: Iterable[Passage], work: Work) -> Iterator[Passage]:
    count = 0
    for count, passage in enumerate(passages, start=1):
        if count % 1000 == 0:
            work.progress(count, 0)
        yield passage
    work.progress(count, count)
