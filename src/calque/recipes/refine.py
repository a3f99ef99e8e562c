"""The part of a recipe that says how generated pairs are refined, round by round. Importable without torch.

How X-Instruction makes its pseudo-ratings was not published: docs/method-xinstruction.md tells what is ours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator

from calque.curation.settings import Worst as Kind
from calque.engines import Sampling
from calque.recipes.names import Name
from calque.recipes.sources import Form
from calque.tuning.settings import TuningSettings

Share = Annotated[float, Field(ge=0)]
Amount = Annotated[int, Field(ge=0)] | Annotated[float, Field(gt=0, le=1)] | Literal["all"]


class Elsewhere(Form):
    """A model besides the base one that does a part of the work, and within which bounds."""

    engine: Name | None = None
    may_fail: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of requests to the engine that may stay unanswered; more of them end the run, to be asked again",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="most that all the engine's answers here may cost together, in the currency of its price; what it may "
        "not hold for ends the run",
    )


class Rater(Elsewhere):
    """Another model that rates candidates, in place of an evaluator that is tuned anew in each round."""

    engine: Name | None = Field(
        None,
        description="name of one of `engines`, which must tell log-likelihoods: a model here, a server whose chats have "
        "top_logprobs, or with a template one whose /completions has echo; null = an evaluator tuned on pseudo-ratings",
    )


class Drawn(Form):
    """How tokens are drawn."""

    temperature: float = Field(
        0.0, ge=0, description="what is written is drawn at this; 0 = greedy, the likeliest token each time"
    )
    top_p: float = Field(1.0, gt=0, le=1, description="… from the fewest tokens that hold this probability")
    top_k: int = Field(0, ge=0, description="… and from so many at most; 0 = all")

    def sampling(self, seed: int) -> Sampling | None:
        """The same for an engine; None for greedy."""
        return Sampling(self.temperature, self.top_p, self.top_k, seed) if self.temperature > 0 else None


class Answering(Elsewhere, Drawn):
    """How seed instructions are answered, for level 2 and by earlier models for level 1; and by which model for level 2."""

    engine: Name | None = Field(None, description="name of one of `engines`; null = the newest follower")


class Writing(Elsewhere, Drawn):
    """How instructions are written, and by which model; and how long instructions and answers may be."""

    engine: Name | None = Field(
        None,
        description="name of one of `engines` that writes the instructions; null = a generator tuned on the seed",
    )
    instruction_tokens: int = Field(128, ge=1, description="longest instruction, in tokens")
    response_tokens: int = Field(512, ge=1, description="longest answer to a seed instruction, in tokens")


class Worst(Form):
    """What level 1 of the pseudo-ratings is made of, in shares."""

    earlier: Share = Field(
        1.0, description="what an earlier model wrote: that of the round before, first the base"
    )
    mismatched: Share = Field(1.0, description="the answer of another seed pair")
    wrong_language: Share = Field(1.0, description="the answer in English, or in another language")
    truncated: Share = Field(1.0, description="the answer, broken off")

    @property
    def shares(self) -> dict[Kind, float]:
        """The shares by what they are of."""
        return {
            "earlier": self.earlier,
            "mismatched": self.mismatched,
            "wrong_language": self.wrong_language,
            "truncated": self.truncated,
        }

    @field_validator("truncated")
    @classmethod
    def _not_nothing(cls, share: float, info: Any) -> float:
        if not share + sum(info.data.values()):
            raise ValueError("all shares of the worst are 0: give one of them more")
        return share


class Refine(Form):
    """Rounds of refinement (X-Instruction). A generator, tuned on the seed, writes an English instruction for each passage.

    In each round an evaluator is tuned on pseudo-ratings, rates all candidates, and the best are what the next follower is
    tuned on, beside the seed. The followers are the systems `round-0` (the seed alone), `round-1` and so on; what was kept
    are the parts `kept-1` and so on.
    """

    rounds: int = Field(3, ge=1, description="rounds at most")
    keep: Amount = Field(0.25, description="candidates kept in each round, of each language at most")
    passages: Amount = Field("all", description="passages of each language that get an instruction, at most")
    seed: Amount = Field("all", description="seed pairs of each language that are learnt from")
    held_out: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of the seed on which no generator and no follower of the rounds is tuned: pseudo-ratings are "
        "made of these, so that what a model writes is not what it remembers",
    )
    middle: Literal["follower", "generator"] = Field(
        "follower",
        description="level 2: what the newest follower answers to a seed instruction, or the instruction that the generator "
        "writes for a seed text",
    )
    worst: Worst = Field(Worst(), description="level 1")
    match_lengths: bool = Field(True, description="equal lengths in all three levels, by leaving rows out")
    measured: float = Field(
        0.25, gt=0, lt=1, description="share of the held-out seed pairs by which the evaluator is measured"
    )
    least_auc: float = Field(
        0.6,
        ge=0,
        le=1,
        description="an evaluator that tells level 1 from 3 worse than this, or not for sure, stops the run; 0 = none does",
    )
    stop: bool = Field(
        True,
        description="no further round once the evaluator cannot tell level 2 from 3, or the selection settles",
    )
    settled: float = Field(
        0.95,
        gt=0,
        le=1,
        description="no further round where so large a share of what is kept was kept before",
    )
    score_rounds: bool = Field(True, description="score the follower of every round on the benchmarks")
    writing: Writing = Field(Writing(), description="how instructions are written, and by which model")
    answering: Answering = Field(
        Answering(), description="how seed instructions are answered, and by which model"
    )
    rating: Rater = Field(Rater(), description="another model that rates")
    generator: TuningSettings = Field(TuningSettings(), description="settings of `tuning` that differ for it")
    follower: TuningSettings = Field(TuningSettings(), description="… for the followers of the rounds")
    evaluator: TuningSettings = Field(TuningSettings(), description="… for the evaluators")

    @field_serializer("generator", "follower", "evaluator")
    def _as_given(self, tuning: TuningSettings) -> dict[str, Any]:
        return tuning.model_dump(mode="json", exclude_unset=True)
