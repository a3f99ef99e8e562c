"""Models as a step of refinement asks them: the run's own systems, and others, what these cost, and what stays unanswered."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from calque.engines import Completion, Failure, Sampling, Scores
from calque.engines.price import Price, Purse
from calque.engines.stored import OVER_BUDGET
from calque.errors import EngineError, Problem, RunError
from calque.recipes.judging import AnyModel, LocalModel, ServerModel
from calque.recipes.schema import Recipe
from calque.recipes.steps import Work
from calque.recipes.steps.encode import template_files, template_settings
from calque.records import Conversation

if TYPE_CHECKING:
    from calque.engines.transformers_engine import TransformersEngine

SECONDS = 5  # that an answer is expected to take
CHARACTERS = 3  # per token, so that estimates are rather too high


@dataclass(frozen=True, slots=True)
class Expected:
    """What will be asked of a model at most: requests, tokens read and written, and their cost where a price is known."""

    requests: int
    prompt_tokens: int
    tokens: int
    cost: float | None


def told(who: str, asked: Sequence[Expected], model: AnyModel) -> str:
    """What somebody will be asked at most, what that costs, and how long it takes, in one line."""
    requests = sum(one.requests for one in asked)
    read, written = sum(one.prompt_tokens for one in asked), sum(one.tokens for one in asked)
    line = f"{who}: {requests:,} requests, {read / 1e6:,.2f} million tokens read and {written / 1e6:,.2f} written at most"
    if isinstance(model, ServerModel):
        minutes = requests * SECONDS / min(model.concurrency, max(1, requests)) / 60
        line += f"; at {SECONDS} seconds a request, {model.concurrency} at a time, {minutes:,.1f} minutes"
        costs = [one.cost for one in asked if one.cost is not None]
        line += f"; cost at most {sum(costs):,.2f}" if costs else "; its price is not given"
    return line


@dataclass(frozen=True, slots=True)
class Own:
    """A system of the run by its name, which is tuned here; without a name the base model as it is."""

    name: str
    recipe: Recipe
    template: str

    needs: ClassVar[Literal["weights"]] = "weights"  # of the base model

    @property
    def settings(self) -> dict[str, Any]:
        """What its answers depend on, beside the weights."""
        return {"precision": self.recipe.evaluate.precision, **template_settings(self.recipe.model)}

    @property
    def files(self) -> tuple[Path, ...]:
        """The template, if it is a file of one's own."""
        return template_files(self.template)

    @property
    def after(self) -> tuple[str, ...]:
        """Its tuning, if it is tuned."""
        return (f"tune-{self.name}",) if self.name else ()

    def engine(self, work: Work) -> TransformersEngine:
        """The engine; one is held at a time."""
        tuned = work.after[self.after[0]] if self.after else None
        return work.workshop.engine(self.name, tuned, self.recipe.evaluate.precision)

    def complete(
        self,
        work: Work,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
    ) -> list[Completion]:
        """An answer to each; what comes is kept for the next attempt, and is not asked again."""
        from calque.engines.keeping import kept_answers
        from calque.recipes.steps.other_engines import request_store

        with request_store(work.workshop) as store:
            return kept_answers(
                self.engine(work),
                store,
                conversations,
                max_new_tokens=max_new_tokens,
                sampling=sampling,
                progress=work.counted(len(conversations)),
            )


@dataclass(frozen=True, slots=True)
class Other:
    """One of the recipe's `engines` by its name, and within which bounds it is asked; `field` is the setting that names it."""

    name: str
    model: AnyModel
    field: str
    may_fail: float = 0.02
    budget: float | None = None

    needs: ClassVar[Literal[""]] = ""
    after: ClassVar[tuple[str, ...]] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """What its answers depend on."""
        said = engine_settings(self.model)
        said.pop("price", None)
        return {"engine": said}

    @property
    def files(self) -> tuple[Path, ...]:
        """Its files, where it lies in a folder of this machine."""
        return engine_files(self.model)

    @property
    def purse(self) -> Purse | None:
        """What may be spent on it by the setting that names it, in all steps of a run together."""
        return purse_of(self.model, self.field, self.budget)

    def complete(
        self,
        work: Work,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,
        sampling: Sampling | None = None,
    ) -> list[Completion | Failure]:
        """An answer to each; some may be missing. What comes is kept for the next attempt, whatever becomes of the rest.

        Raises `RunError` where the budget is spent, and `EngineError` where more is missing than may be.
        """
        from calque.recipes.steps.other_engines import other_engine

        with other_engine(work.workshop, self.name, self.model, self.purse) as engine:
            found = engine.attempt(
                conversations,
                max_new_tokens=max_new_tokens,
                sampling=sampling,
                progress=work.counted(len(conversations)),
            )
        return self._or_refuse(found)

    def choose(
        self, work: Work, conversations: Sequence[Conversation], choices: Sequence[Sequence[str]]
    ) -> list[Scores | Failure]:
        """Log-likelihoods of choices; some may be missing, as above."""
        from calque.recipes.steps.other_engines import other_engine

        with other_engine(work.workshop, self.name, self.model, self.purse) as engine:
            found = engine.attempt_scores(conversations, choices, progress=work.counted(len(conversations)))
        return self._or_refuse(found)

    def expected(self, requests: int, characters: float, tokens: int) -> Expected:
        """Of so many requests of so many characters in all, each with an answer of so many tokens."""
        read, written = math.ceil(characters / CHARACTERS), requests * tokens
        return Expected(requests, read, written, cost_of(self.model, read, written))

    def _or_refuse(self, found: list[Any]) -> list[Any]:
        failed = Counter(answer.reason for answer in found if isinstance(answer, Failure))
        if failed[OVER_BUDGET]:
            there = len(found) - failed.total()
            message = f"engine {self.name}: the budget of {self.budget:g} holds for {there:,} of {len(found):,} requests"
            remedy = f"raise {self.field}.budget, or ask less (curate.refine.passages); answers that are there are kept"
            raise RunError(Problem(message, remedy=remedy))
        if failed.total() > self.may_fail * len(found):
            reasons = ", ".join(f"{n:,} × {reason}" for reason, n in failed.most_common())
            message = f"engine {self.name}: {failed.total():,} of {len(found):,} requests were not answered ({reasons})"
            first = next(answer.detail for answer in found if isinstance(answer, Failure))
            remedy = f"the first: {first}\n    " if first else ""
            remedy += f"run again: only these are asked again; or raise {self.field}.may_fail"
            raise EngineError(Problem(message, remedy=remedy))
        return found


def engine_settings(model: AnyModel) -> dict[str, Any]:
    """What answers of a model depend on: not the server's address, its key or how fast it is asked."""
    never = {"server", "key", "concurrency", "attempts", "timeout", "echo", "price"}
    said = model.model_dump(mode="json", include=set(type(model).model_fields) - never)
    if isinstance(model, LocalModel) and Path(model.path).is_dir():
        said["path"] = ""  # its files say what it is
    said["template"] = Path(model.template).name
    return said


def engine_files(model: AnyModel) -> tuple[Path, ...]:
    """The files of a model in a folder of this machine, which say what it is, and a template of one's own."""
    own = template_files(model.template)
    if isinstance(model, ServerModel) or not Path(model.path).is_dir():
        return own
    from calque.engines.loading import content

    return (*sorted(content(Path(model.path))), *own)


def price_of(model: AnyModel) -> Price | None:
    """What a model costs; nothing where it is in this process, or where no price is given."""
    price = model.price if isinstance(model, ServerModel) else None
    return None if price is None else Price(price.read, price.written)


def cost_of(model: AnyModel, prompt_tokens: int, tokens: int) -> float | None:
    """The cost of so many tokens, where it is known."""
    price = price_of(model)
    return None if price is None else price.of(prompt_tokens, tokens)


def purse_of(model: AnyModel, purpose: str, budget: float | None) -> Purse | None:
    """What a model may cost for a purpose, where its price is known."""
    price = price_of(model)
    return None if price is None else Purse(purpose, price, budget)
