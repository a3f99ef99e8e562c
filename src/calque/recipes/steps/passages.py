"""Native text of one language to the passages that are worth learning from.

What it leaves, for whoever goes on from it: `passages.parquet` in the form of `calque.corpora.passage_files` (id, text,
language, dataset, row, licence, source; read it with `stored_passages`), in the order of the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
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
    import numpy as np

    from calque.curation.passages import Duplicates

TRIED = 2000  # passages of a language that are judged on trial; all are read
QUANTILES = (0.1, 0.5, 0.9)
_BATCH = 256  # passages tokenised at a time


@dataclass(frozen=True)
class Passages:
    """Read the files, take boilerplate out, drop what the filters drop, then duplicates.

    Twice through: the filters leave survivors on disk, and duplicates are found among these. In memory there are for each
    survivor its signature and lengths (about half a kilobyte), and a batch of texts.
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
        """Nothing: reading them is the step itself, and it comes first."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write passages.parquet, dropped.jsonl, statistics.json and counts.json."""
        import numpy as np

        from calque.curation.passages import Duplicates
        from calque.engines.loading import load_tokenizer

        tokenizer = load_tokenizer(work.workshop.base)
        survivors = work.folder / "survivors.parquet"
        duplicates, lengths = Duplicates(self.curation.near_duplicates), _Lengths()
        with Ledger(work.folder / "dropped.jsonl") as ledger:
            read = ledger.keep(read_passages(*self.given.sources))
            tried = islice(read, TRIED) if work.trial else read
            filtered = self._filtered(_told(tried, work), ledger, tokenizer, lengths)
            write_passages(survivors, _added(filtered, duplicates))
            ledger.set_aside("not_tried", sum(1 for _ in read))
            drops = duplicates.drops()
            write_passages(work.folder / "passages.parquet", _first_ones(survivors, drops, ledger))
            counts = {**ledger.counts(), "files": [path.name for path in self.files]}
        survivors.unlink()
        if not (counts["kept"] or counts["dropped"].get("not_tried")):
            raise DataError(self._nothing(counts["dropped"]))
        kept = np.array([drop is None for drop in drops])
        statistics = {"language": self.given.language, "kept": counts["kept"], **lengths.to_row(kept)}
        write_json(work.folder / "statistics.json", statistics)
        write_json(work.folder / "counts.json", counts)
        return {
            **counts,
            "characters": statistics["characters"]["all"],
            "tokens": statistics["tokens"]["all"],
        }

    def _filtered(
        self, passages: Iterable[Passage], ledger: Ledger, tokenizer: Any, lengths: _Lengths
    ) -> Iterator[Passage]:
        """The passages that no filter drops, the limit in tokens among them; the others go to the ledger."""
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
                    lengths.add(len(one.passage.text), tokens, one.taken_out)
                    yield one.passage

    def _nothing(self, dropped: dict[str, int]) -> Problem:
        reasons = ", ".join(f"{n} × {reason}" for reason, n in dropped.items()) or "there is none"
        message = f"no passage in {self.given.language} is kept ({reasons})"
        return Problem(
            message, str(self.files[0]), remedy="look into curate.passages, and at what the files hold"
        )


@dataclass
class _Lengths:
    """Characters, tokens, and characters of boilerplate taken out, of each passage that the filters keep."""

    rows: list[tuple[int, int, int]] = field(default_factory=list)

    def add(self, *row: int) -> None:
        self.rows.append((row[0], row[1], row[2]))

    def to_row(self, kept: np.ndarray[Any, Any]) -> dict[str, Any]:
        """Sums and quantiles over those that stay."""
        import numpy as np

        table = np.array(self.rows, dtype=np.int64).reshape(-1, 3)[kept]
        some = table if len(table) else np.zeros((1, 3))
        quantiles = np.quantile(some, QUANTILES, axis=0, method="inverted_cdf").astype(int)
        names = ("characters", "tokens")
        found: dict[str, Any] = {
            name: {"all": int(table[:, i].sum()), "quantiles": quantiles[:, i].tolist()}
            for i, name in enumerate(names)
        }
        return {**found, "boilerplate_taken_out": int(table[:, 2].sum())}


def _added(passages: Iterable[Passage], duplicates: Duplicates) -> Iterator[Passage]:
    for passage in passages:
        duplicates.add(passage)
        yield passage


def _first_ones(survivors: Path, drops: Sequence[Drop | None], ledger: Ledger) -> Iterator[Passage]:
    """The survivors without those that are like an earlier one."""
    for passage, drop in zip(stored_passages(survivors), drops, strict=True):
        if drop is None:
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
