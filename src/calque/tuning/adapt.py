"""What of the base model is tuned: low-rank adapters, or everything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from calque.engines.loading import ModelFiles
from calque.errors import ModelError, Problem
from calque.tuning.dropout import repeating
from calque.tuning.settings import LoraSettings, TuningSettings


def adapt(model: Any, settings: TuningSettings, adapter: Path | None = None) -> Any:
    """The model with the parameters to be tuned in fp32 and marked as such, the rest frozen.

    With `adapter`, the folder of an adapter of an earlier stage, that one is trained on in place of a new one.
    """
    if settings.gradient_checkpointing:
        if not model.supports_gradient_checkpointing:
            remedy = "set tuning.gradient_checkpointing: false"
            raise ModelError(Problem("this architecture cannot recompute its activations", remedy=remedy))
        model.activation_checkpointing_enable({"use_reentrant": False, "context_fn": repeating})
        model.enable_input_require_grads()
    if settings.method == "full":
        return model.float().requires_grad_(True)
    if adapter is not None:
        return _trained_on(model, settings.lora, adapter)
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    lora = settings.lora
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_target_modules(model, lora),
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        linear = (torch.nn.Linear, Conv1D)
        layers = [(name, m) for name, m in model.named_modules() if isinstance(m, linear)]
        known = {name.rsplit(".", 1)[-1] for name, m in layers if m is not model.get_output_embeddings()}
        reason = str(error).splitlines()[0]
        remedy = f"set tuning.lora.target_modules: all-linear, or some of: {', '.join(sorted(known))}"
        raise ModelError(Problem(f"the adapter does not fit the model: {reason}", remedy=remedy)) from error


def _trained_on(model: Any, lora: LoraSettings, adapter: Path) -> Any:
    """The model with an earlier adapter to be trained on: its own rank, scale and layers, the dropout of the settings.

    Raises `ModelError` that names what of these is asked for otherwise.
    """
    from peft import LoraConfig, PeftModel

    config = LoraConfig.from_pretrained(adapter)
    wanted = _target_modules(model, lora)
    asked: dict[str, tuple[Any, Any]] = {"r": (config.r, lora.r), "alpha": (config.lora_alpha, lora.alpha)}
    if isinstance(wanted, list):
        asked["target_modules"] = (sorted(config.target_modules), sorted(wanted))
    differing = [f"{name} is {has}, not {want}" for name, (has, want) in asked.items() if has != want]
    if differing:
        message = f"the earlier adapter cannot be trained on: its {', its '.join(differing)}"
        remedy = "give both stages the same tuning.lora, or set starts_from.adapter: merge"
        raise ModelError(Problem(message, str(adapter), remedy=remedy))
    config.lora_dropout = lora.dropout
    config.base_model_name_or_path = (
        model.name_or_path
    )  # else peft asks the hub for the name that it was saved under
    return PeftModel.from_pretrained(model, adapter, is_trainable=True, config=config)


def _target_modules(model: Any, lora: LoraSettings) -> list[str] | str | None:
    if lora.target_modules != "auto":
        return lora.target_modules
    names = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    wanted = ["q_proj", "v_proj"]
    return wanted if set(wanted) <= names else None  # None: peft's choice for this architecture


def tuned_parameters(model: Any) -> dict[str, torch.nn.Parameter]:
    """The parameters that are tuned, by name, in a fixed order."""
    return {name: p for name, p in sorted(model.named_parameters()) if p.requires_grad}


def decay_groups(parameters: Mapping[str, torch.nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """The optimiser's groups: matrices decay; biases and the scales of norms do not."""
    groups = [
        {"params": [p for p in parameters.values() if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def parameter_counts(model: Any) -> tuple[int, int]:
    """Parameters in all, and those that are tuned. Weights in 4 bits count as what they stand for, two in a byte."""
    parameters = list(model.parameters())
    total = sum(p.numel() * (2 if type(p).__name__ == "Params4bit" else 1) for p in parameters)
    return total, sum(p.numel() for p in parameters if p.requires_grad)


def save_tuned(model: Any, tokenizer: Any, folder: Path, settings: TuningSettings, base: str) -> None:
    """Write `adapter/` (peft's form) or `model/` (hub form, in the dtype it was tuned in) into `folder`."""
    if settings.method == "full":
        model.save_pretrained(folder / "model")
        tokenizer.save_pretrained(folder / "model")
        return
    model.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)  # peft's empty template of a model card
    _settle_config(folder / "adapter" / "adapter_config.json", base)


def _settle_config(path: Path, base: str) -> None:
    """Name the base as the user did, and put lists that peft keeps as sets in order: equal runs, equal bytes."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = base
    config = {k: sorted(v) if k == "target_modules" and isinstance(v, list) else v for k, v in config.items()}
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def weights_of(base: ModelFiles, folder: Path | None) -> ModelFiles:
    """The weights that a stage's model consists of, or that its adapter stands on; without a folder the base's."""
    for name in ("model", "start"):
        if folder is not None and (folder / name).is_dir():
            return ModelFiles(str(folder / name), folder / name, base.trust_remote_code)
    return base


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
