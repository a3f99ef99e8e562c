"""What of the base model is tuned: low-rank adapters, or everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from calque.errors import ModelError, Problem
from calque.tuning.settings import LoraSettings, TuningSettings


def adapt(model: Any, settings: TuningSettings) -> Any:
    """The model with the parameters to be tuned in fp32 and marked as such, the rest frozen."""
    if settings.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    if settings.method == "full":
        return model.float().requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    lora = settings.lora
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_target_modules(model, lora),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        known = sorted(
            {name.rsplit(".", 1)[-1] for name, m in model.named_modules() if isinstance(m, torch.nn.Linear)}
        )
        raise ModelError(
            Problem(
                f"the adapter does not fit the model: {error}",
                remedy=f"its linear layers are: {', '.join(known)}",
            )
        ) from error


def _target_modules(model: Any, lora: LoraSettings) -> list[str] | str | None:
    if lora.target_modules != "auto":
        return lora.target_modules
    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    wanted = ["q_proj", "v_proj"]
    return wanted if set(wanted) <= names else None  # None: peft's choice for this architecture


def tuned_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """The parameters that are tuned, by name, in a fixed order."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def parameter_counts(model: Any) -> tuple[int, int]:
    """Parameters in all, and those that are tuned."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters), sum(p.numel() for p in parameters if p.requires_grad)


def save_tuned(model: Any, tokenizer: Any, folder: Path, settings: TuningSettings, base: str) -> None:
    """Write `adapter/` (peft's form) or `model/` (hub form, in the dtype it was tuned in) into `folder`."""
    if settings.method == "full":
        model.save_pretrained(folder / "model", safe_serialization=True)
        tokenizer.save_pretrained(folder / "model")
        return
    model.save_pretrained(folder / "adapter", safe_serialization=True)
    (folder / "adapter" / "README.md").unlink(missing_ok=True)  # peft's empty template of a model card
    _settle_config(folder / "adapter" / "adapter_config.json", base)


def _settle_config(path: Path, base: str) -> None:
    """Name the base as the user did, and put lists that peft keeps as sets in order: equal runs, equal bytes."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config = {k: sorted(v) if k == "target_modules" and isinstance(v, list) else v for k, v in config.items()}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def load_tuned(model: Any, folder: Path) -> Any:
    """The base model with the adapter of a tuning step put on."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, folder / "adapter").eval()


def save_tensors(tensors: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write tensors as safetensors, on the CPU and contiguous."""
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Read tensors back, on the CPU."""
    return dict(load_file(path))
