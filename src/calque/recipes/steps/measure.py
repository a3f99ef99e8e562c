"""How good the evaluator of a round is, on pseudo-ratings that it has not learnt from. A bad one ends the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import cross_lingual_pair
from calque.corpora.json_rows import read_rows
from calque.corpora.writing import write_json
from calque.curation.rating import Rating
from calque.engines import Failure
from calque.errors import Problem, RunError
from calque.recipes.refine import Refine
from calque.recipes.steps import Work
from calque.recipes.steps.asking import Other, Own
from calque.recipes.steps.rate import by_another
from calque.records import CrossLingualPair, Rejected


@dataclass(frozen=True)
class Measure:
    """Rate the rows that were kept apart, of all languages, and hold the ratings against their levels."""

    round: int
    evaluator: Own | Other
    ratings: tuple[str, ...]
    refine: Refine

    kind: ClassVar[Literal["measure"]] = "measure"
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`measure-ROUND`."""
        return f"measure-{self.round}"

    @property
    def model(self) -> Literal["weights", ""]:
        """The base model's weights, unless another model rates."""
        return self.evaluator.needs

    @property
    def settings(self) -> dict[str, Any]:
        """What is asked of the evaluator."""
        return {"least_auc": self.refine.least_auc, **self.evaluator.settings}

    @property
    def files(self) -> tuple[Path, ...]:
        """Another model's, where it lies in a folder; and the template, if it is a file of one's own."""
        return self.evaluator.files

    @property
    def after(self) -> tuple[str, ...]:
        """The evaluator, and the pseudo-ratings."""
        return (*self.evaluator.after, *self.ratings)

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write quality.json and counts.json.

        Raises `RunError` for an evaluator that does not tell the worst from the best; quality.json is written all the same,
        so that the report of the unfinished run shows it.
        """
        from calque.curation.evaluator import fault, quality
        from calque.curation.rounds import cannot_tell

        rows = [row for step in self.ratings for row in _rows(work.after[step] / "measure.jsonl")]
        ratings = self._rated([pair for _, pair in rows], work)
        given = [
            (level, rating)
            for (level, _), rating in zip(rows, ratings, strict=True)
            if isinstance(rating, Rating)
        ]
        try:
            found = quality([level for level, _ in given], [rating for _, rating in given])
        except ValueError as wrong:
            message = f"the evaluator of round {self.round} cannot be measured: {wrong} that fits the model's context"
            raise RunError(Problem(message, remedy="give more seed pairs, or shorter ones")) from None
        bad = fault(found, self.refine.least_auc)
        stop = bad or cannot_tell(found)
        write_json(work.folder / "quality.json", {"round": self.round, **found.to_row(), "stop": stop})
        if bad:
            raise RunError(self._of_no_use(bad))
        reasons = ["prompt_too_long" if r is None else r.reason for r in ratings if not isinstance(r, Rating)]
        dropped = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
        counts = {"rows": len(rows), "kept": len(given), "dropped": dropped}
        write_json(work.folder / "counts.json", counts)
        work.progress(len(rows), len(rows))
        return {**counts, "stop": stop}

    def _of_no_use(self, why: str) -> Problem:
        message = f"the evaluator of round {self.round} is of no use: {why}"
        remedy = (
            "let another model rate, or ask less of it (curate.refine.least_auc)"
            if isinstance(self.evaluator, Other)
            else "tune it longer or on more (curate.refine.evaluator, held_out, worst, more seed pairs), or ask less of it "
            "(curate.refine.least_auc): what it rates best would be no better than what is drawn at random"
        )
        shown = "`calque report` on the run's folder shows its accuracy and calibration, and how far it tells the other levels apart"
        return Problem(message, remedy=f"{remedy}\n    {shown}")

    def _rated(self, pairs: list[CrossLingualPair], work: Work) -> Sequence[Rating | Failure | None]:
        from calque.curation.rating import rate

        if isinstance(self.evaluator, Other):
            return by_another(self.evaluator, pairs, work)
        return rate(self.evaluator.engine(work), pairs)


def _rows(path: Path) -> Iterator[tuple[int, CrossLingualPair]]:
    for row in read_rows(path):
        if not isinstance(row, Rejected):
            yield int(row.value["level"]), cross_lingual_pair(row.value["pair"])
