"""Candidates of one language to ratings by the evaluator of a round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.cross_lingual_files import read_cross_lingual
from calque.corpora.writing import write_json, write_jsonl
from calque.curation.rating import Rating, rate, rating_of, rating_requests
from calque.engines import Failure
from calque.recipes.steps import Work
from calque.recipes.steps.asking import Other, Own
from calque.recipes.steps.chunks import in_chunks
from calque.records import CrossLingualPair


@dataclass(frozen=True)
class Rate:
    """Rate every candidate."""

    round: int
    language: str
    evaluator: Own | Other

    kind: ClassVar[Literal["rate"]] = "rate"
    resumes: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """`rate-ROUND-LANG`."""
        return f"rate-{self.round}-{self.language}"

    @property
    def model(self) -> Literal["weights", ""]:
        """The base model's weights, unless another model rates."""
        return self.evaluator.needs

    @property
    def settings(self) -> dict[str, Any]:
        """How it is asked."""
        return self.evaluator.settings

    @property
    def files(self) -> tuple[Path, ...]:
        """Another model's, where it lies in a folder; and the template, if it is a file of one's own."""
        return self.evaluator.files

    @property
    def after(self) -> tuple[str, ...]:
        """The evaluator, which must have been found to be of use, and the candidates."""
        return (*self.evaluator.after, f"measure-{self.round}", f"generate-{self.language}")

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write ratings.jsonl {id, rating, probabilities}, both null where there is no rating, and counts.json.

        Reasons: `prompt_too_long`, where a pair does not fit the context; and why another model did not answer.
        """
        pairs = list(read_cross_lingual(work.after[f"generate-{self.language}"] / "candidates.jsonl"))
        if isinstance(self.evaluator, Other):
            rows = [_row(p, r) for p, r in zip(pairs, by_another(self.evaluator, pairs, work), strict=True)]
        else:
            rows = self._rated(self.evaluator, pairs, work)
        dropped = Counter(row.pop("failure") for row in rows if "failure" in row)
        write_jsonl(work.folder / "ratings.jsonl", rows)
        kept = len(rows) - dropped.total()
        counts = {"rows": len(rows), "kept": kept, "dropped": dict(sorted(dropped.items()))}
        write_json(work.folder / "counts.json", counts)
        return counts

    def _rated(self, evaluator: Own, pairs: Sequence[CrossLingualPair], work: Work) -> list[dict[str, Any]]:
        progress = work.counted(len(pairs))

        def rated(some: Sequence[CrossLingualPair]) -> list[dict[str, Any]]:
            ratings = rate(evaluator.engine(work), some, progress=progress)
            return [_row(pair, rating) for pair, rating in zip(some, ratings, strict=True)]

        return [row for _, row in in_chunks(work.folder, pairs, rated)]


def by_another(model: Other, pairs: Sequence[CrossLingualPair], work: Work) -> list[Rating | Failure | None]:
    """Ratings by a model that was not tuned here; None where a pair does not fit the context, a failure where it did not answer."""
    scores = model.choose(work, *rating_requests(pairs))
    return [row if isinstance(row, Failure) else rating_of(row) if row else None for row in scores]


def _row(pair: CrossLingualPair, rating: Rating | Failure | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": pair.id, "rating": None, "probabilities": None}
    if isinstance(rating, Rating):
        probabilities = [round(p, 6) for p in rating.probabilities]
        return row | {"rating": round(rating.value, 6), "probabilities": probabilities}
    return row | {"failure": "prompt_too_long" if rating is None else rating.reason}
