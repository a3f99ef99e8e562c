"""The settings of one tuning stage: meaning, unit and default beside each. Importable without torch.

Defaults are those of alpaca-lora as far as they are known (see docs/method-crossalpaca.md).
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Precision = Literal["auto", "fp32", "bf16"]


class LoraSettings(BaseModel):
    """Low-rank adapters (Hu et al. 2021)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    r: int = Field(8, ge=1, description="rank of the update")
    alpha: float = Field(16.0, gt=0, description="scale; the update is multiplied by alpha / r")
    dropout: float = Field(0.05, ge=0, lt=1, description="dropout on the adapter's input")
    target_modules: list[str] | Literal["auto", "all-linear"] = Field(
        "auto",
        description="names of the layers to adapt; auto = q_proj and v_proj where the model has them, else peft's own "
        "choice for the architecture",
    )


class PacingSettings(BaseModel):
    """Self-paced learning: from rows that are easy for the model to hard ones (docs/method-xcit.md).

    In the paced part of tuning a row is admitted if its loss is below λ, which admits a growing share of the rows; then
    all rows count alike. A row's loss is the mean over its trained tokens.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: Literal["none", "easiest-first", "random", "hardest-first", "drop-hardest"] = Field(
        "none",
        description="which rows are admitted first; none = no pacing; drop-hardest leaves the hardest out to the end; "
        "all but easiest-first are controls, with weights of nought and one",
    )
    spend: Literal["weighting", "selection"] = Field(
        "weighting",
        description="weighting: every row runs, and its loss weighs in; selection: rows that are not admitted do not "
        "run at all until their turn, and steps are filled from those that are, the least used first",
    )
    weights: Literal["hard", "linear", "logarithmic", "mixture", "diverse"] = Field(
        "hard",
        description="how much an admitted row counts: all alike (hard, diverse), or the more the lower its loss",
    )
    start: float = Field(0.4, gt=0, le=1, description="share of the rows that is admitted at first")
    until: float = Field(
        0.5, gt=0, le=1, description="share of the optimiser steps after which every row is admitted"
    )
    schedule: Literal["linear", "root", "geometric"] = Field(
        "linear", description="course of the admitted share from `start` to 1"
    )
    by_kind: bool = Field(
        True, description="one λ for each language and kind of demonstration, or one for all"
    )
    threshold: float | None = Field(
        None, gt=0, description="λ itself, in nats, in place of a share; until `until`, as the share is"
    )
    growth: float = Field(1.3, ge=1, description="factor by which `threshold` grows with every epoch")
    memory: int = Field(
        32, ge=1, description="weighting: λ is taken from the losses seen in the last so many steps"
    )
    refresh_steps: int = Field(
        50,
        ge=1,
        description="selection: steps after which the losses of rows that are kept out are computed again",
    )
    inner: float = Field(0.5, gt=0, lt=1, description="mixture: share of λ below which a row counts in full")
    rescaled: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="logarithmic: what λ is after losses are rescaled; its form needs one below 1",
    )
    diversity: float = Field(
        1.0, ge=0, description="diverse: γ in nats; the i-th easiest row of a kind has λ + γ / (√i + √(i−1))"
    )
    dropped: float = Field(0.1, gt=0, lt=1, description="drop-hardest: share of the rows that is left out")

    @model_validator(mode="after")
    def _threshold_of_losses(self) -> Self:
        if self.threshold is not None and self.order not in ("none", "easiest-first"):
            raise ValueError(
                f"a threshold is for easiest-first; {self.order} is told by a share: leave it out"
            )
        return self


class TuningSettings(BaseModel):
    """How one system is tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["lora", "full"] = Field("lora", description="adapters, or all parameters")
    lora: LoraSettings = LoraSettings()
    quantized: Literal["4bit"] | None = Field(
        None,
        description="hold the frozen weights in 4-bit NormalFloat under the adapter (QLoRA): a quarter of the memory, "
        "more time; needs the extra `quantized`",
    )
    learning_rate: float = Field(3e-4, gt=0, description="highest learning rate")
    schedule: Literal["linear", "cosine", "constant"] = Field(
        "linear", description="course after the warm-up"
    )
    warmup_share: float = Field(
        0.1, ge=0, lt=1, description="share of the optimiser steps spent on warming up"
    )
    epochs: int = Field(1, ge=1, description="passes over the mixture")
    steps: int | None = Field(
        None, ge=1, description="optimiser steps in place of epochs: rows come round as often as it takes"
    )
    trained_tokens: int | None = Field(
        None, ge=1, description="tokens to train on in place of epochs, to the nearest optimiser step"
    )
    examples_per_step: int = Field(128, ge=1, description="examples in one optimiser step, over all devices")
    tokens_per_batch: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto",
        description="most tokens, padding included, in one forward pass on one device; only speed and memory depend on "
        "it, and on a GPU the draw of dropout; auto = 2048 on a CPU, 16384 on an accelerator",
    )
    max_tokens: int = Field(1024, ge=8, description="longest row, prompt and answer, in tokens")
    overlong: Literal["error", "drop", "truncate"] = Field(
        "error",
        description="what to do with longer rows; truncate cuts the end off, stop token included, and drops rows of "
        "which no answer would be left",
    )
    weight_decay: float = Field(0.0, ge=0, description="AdamW's decoupled weight decay, on matrices")
    max_gradient_norm: float = Field(1.0, gt=0, description="the step's gradient is clipped to this norm")
    precision: Precision = Field("auto", description="auto = bf16 where the device computes in it, else fp32")
    gradient_checkpointing: bool = Field(False, description="recompute activations: less memory, more time")
    pacing: PacingSettings = Field(PacingSettings(), description="which rows count when; none by default")
    checkpoint_steps: int = Field(100, ge=1, description="optimiser steps between checkpoints")

    @model_validator(mode="after")
    def _quantized_under_an_adapter(self) -> Self:
        if self.quantized and self.method == "full":
            raise ValueError("weights in 4 bits cannot be tuned themselves: set method: lora")
        return self

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.steps is not None and self.trained_tokens is not None:
            raise ValueError("steps and trained_tokens cannot both say when tuning ends")
        return self
