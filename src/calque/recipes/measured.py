"""The form of a recipe's systems: models that are tuned here, and models behind a server. Importable without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, field_serializer

from calque.recipes.judging import ServerModel
from calque.recipes.names import CodeOrX
from calque.recipes.refine import Amount
from calque.recipes.sources import Form
from calque.tuning.settings import TuningSettings

Way = Literal["direct", "chat", "pivot"]


class Match(Form):
    """As much tuning as another system gets, so that what differs is not the amount."""

    system: str = Field(description="name of the other system")
    by: Literal["steps", "trained_tokens"] = Field(
        description="what is to be equal: optimiser steps, or tokens trained on (to the nearest step)"
    )
    stages: Literal["last", "all"] = Field(
        "last",
        description="what of the other counts: its last stage, or its earlier ones too (for a system that starts from the base)",
    )


class Start(Form):
    """Another system, whose model is tuned on: that system is an earlier stage of this one."""

    system: str = Field(
        description="name of the earlier system: the one of the same language, or one for all"
    )
    adapter: Literal["auto", "continue", "merge", "none"] = Field(
        "auto",
        description="what becomes of the earlier adapter: trained on, merged into the weights (then a new one goes "
        "on), or none, as in full tuning, where it is merged and all weights are tuned on; auto = continue for an "
        "adapter after an adapter, else none",
    )


class _Measured(Form):
    """A model that is asked questions."""

    answers: list[Way] = Field(
        ["direct"],
        min_length=1,
        description="how it is asked outside English: directly; in two turns, English first (chat); or for English and x "
        "in one answer (pivot). Each way has scores of its own, under SYSTEM@chat and SYSTEM@pivot",
    )
    scored_in: list[CodeOrX] | None = Field(
        None, description="languages to score in, x or codes, in place of evaluate.languages"
    )


class System(_Measured):
    """A model to be made and scored: a mixture to tune the base on; an empty mixture is the base itself."""

    mix: dict[str, Amount] = Field(
        default_factory=dict, description="rows of each part: a count, a share of the part (0.25), or all"
    )
    tuning: TuningSettings = Field(TuningSettings(), description="settings of `tuning` that differ here")
    matched_to: Match | None = Field(
        None,
        description="tune as long as another system, in place of epochs; rows come round as often as it takes",
    )
    starts_from: Start | None = Field(
        None, description="tune the model of another system on, in place of the base model"
    )
    together: bool = Field(
        False,
        description="one model for all target languages, made from their parts in x, in place of one for each",
    )
    when_missing: Literal["error", "skip"] = Field(
        "error",
        description="what to do if a source of its parts is not given: an error, or leave the system out, and say so",
    )

    @field_serializer("tuning")
    def _as_given(self, tuning: TuningSettings) -> dict[str, Any]:
        return tuning.model_dump(mode="json", exclude_unset=True)


class ServedSystem(ServerModel, _Measured):
    """A model behind a server, measured beside the others and never tuned. It is asked its questions through /chat/completions,
    or, with a template, through /completions.
    """

    may_fail: float = Field(
        0.02,
        ge=0,
        le=1,
        description="share of questions that the server may refuse or withhold an answer to, which then counts as wrong; "
        "more of them end the run, and so does what could not be answered for another reason, to be asked again",
    )
    budget: float | None = Field(
        None,
        gt=0,
        description="most that all its answers may cost, in the currency of its price; what it may not hold for ends the run",
    )

    mix: ClassVar[Mapping[str, Amount]] = {}
    tuning: ClassVar[TuningSettings] = TuningSettings()
    matched_to: ClassVar[None] = None
    starts_from: ClassVar[None] = None
    together: ClassVar[bool] = False
    when_missing: ClassVar[Literal["error"]] = "error"


def _tuned_or_served(given: object) -> str:
    served = isinstance(given, ServedSystem) or (isinstance(given, Mapping) and "server" in given)
    return "served" if served else "tuned"


AnySystem = Annotated[
    Annotated[System, Tag("tuned")] | Annotated[ServedSystem, Tag("served")], Discriminator(_tuned_or_served)
]
