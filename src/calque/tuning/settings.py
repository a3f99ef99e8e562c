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


class TuningSettings(BaseModel):
    """How one system is tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["lora", "full"] = Field("lora", description="adapters, or all parameters")
    lora: LoraSettings = LoraSettings()
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
        "it, but for the draw of dropout; auto = 2048 on a CPU, 16384 on an accelerator",
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
    checkpoint_steps: int = Field(100, ge=1, description="optimiser steps between checkpoints")

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.steps is not None and self.trained_tokens is not None:
            raise ValueError("steps and trained_tokens cannot both say when tuning ends")
        return self
