"""Where a stage starts: from the base model, or from what an earlier stage made of it.

What becomes of the earlier adapter: `continue` trains it on; `merge` puts it into the weights that it stands on, in
the precision these are stored in, and a new adapter goes on top; `none` leaves no adapter at all, as in full tuning.
Weights that an adapter stands on and that are not the base model's lie beside it, as `start/` in the hub's form.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator

from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.weights import stored_dtype
from calque.errors import ModelError, Problem
from calque.tuning.adapt import weights_of
from calque.tuning.checkpoint import has_checkpoint
from calque.tuning.encode import EncodedSet, check_fits

Fate = Literal["continue", "merge", "none"]

# Between the logits before and after a merge, as a share of the largest logit: rounding of the weights, and no more.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
COMPARED = 4  # rows whose logits are compared
KEEP = "set starts_from.adapter: continue, which leaves the weights as they are"


@dataclass(frozen=True, slots=True)
class Start:
    """The folder of an earlier stage (`adapter/`, perhaps with `start/`, or `model/`), and what becomes of its adapter."""

    folder: Path
    adapter: Fate


def starting_model(
    base: ModelFiles,
    start: Start | None,
    rows: EncodedSet,
    method: Literal["lora", "full"],
    folder: Path,
    accelerator: Accelerator,
    dtype: torch.dtype,
    quantized: bool = False,
) -> tuple[Any, Path | None]:
    """The model that a stage starts from, with the adapter to be trained on, if there is one.

    For LoRA in `dtype`, or `quantized`, on the weights of `folder/start/` where these are not the base's; for full
    tuning in fp32.
    Raises `ModelError` where a merge is not exact, and where the rows do not fit the model.
    """
    full, files, adapter = method == "full", base, None
    if start is not None and full:
        files = weights_of(base, start.folder)
    elif start is not None:
        if accelerator.is_main_process and not has_checkpoint(folder):
            place_start(base, start, rows, folder)
        accelerator.wait_for_everyone()
        files = weights_of(base, folder)
        adapter = start.folder / "adapter" if start.adapter == "continue" else None
    precision = torch.float32 if full else dtype
    model = load_model(files, dtype=precision, device=accelerator.device, quantized=quantized)
    embeddings = model.get_input_embeddings().weight
    check_fits(rows, getattr(model.config, "max_position_embeddings", None), len(embeddings), base.name)
    if start is not None and full and (start.folder / "adapter").is_dir():
        model = merged(model, start.folder / "adapter", first_rows(rows))
    return model, adapter


def earlier_lineage(folder: Path, base_sha256: str) -> dict[str, Any]:
    """What an earlier stage says of itself. Raises `ModelError` if it was made from another base model."""
    lineage: dict[str, Any] = json.loads((folder / "lineage.json").read_text(encoding="utf-8"))
    if lineage["base_sha256"] != base_sha256:
        theirs = f"{lineage['base']} ({lineage['base_sha256'][:12]})"
        message = f"this was tuned from another base model, {theirs}, than the one given ({base_sha256[:12]})"
        remedy = "give that base model, or tune the earlier stage on this one"
        raise ModelError(Problem(message, str(folder), remedy=remedy))
    return lineage


def place_start(base: ModelFiles, start: Start, rows: EncodedSet, folder: Path) -> None:
    """Write `folder/start/`, if an adapter is to stand on other weights than the base model's: all of it or nothing.

    Raises `ModelError` where a merge is not exact.
    """
    target, partial = folder / "start", folder / ".start.partial"
    for left in (target, partial):
        shutil.rmtree(left, ignore_errors=True)
    under = weights_of(base, start.folder)
    if start.adapter == "merge":
        dtype = stored_dtype(under.folder)
        model = merged(load_model(under, dtype=dtype), start.folder / "adapter", first_rows(rows))
        model.save_pretrained(partial)
        load_tokenizer(base).save_pretrained(partial)
        partial.rename(target)
    elif under is not base:
        shutil.copytree(under.folder, partial)
        partial.rename(target)


def merged(model: Any, adapter: Path, rows: Sequence[torch.Tensor]) -> Any:
    """`model` with the adapter in its weights. Its logits on `rows` are compared: `ModelError` if they are others."""
    from peft import PeftModel

    adapted = PeftModel.from_pretrained(model, adapter).eval()
    before = [_logits(adapted, ids) for ids in rows]
    try:
        alone = adapted.merge_and_unload(safe_merge=True)
    except (ValueError, NotImplementedError) as error:
        told = str(error) or f"PEFT raises {type(error).__name__}"
        message = f"the adapter cannot be merged: {told.splitlines()[0]}"
        raise ModelError(Problem(message, str(adapter), remedy=KEEP)) from error
    apart = max(_apart(logits, _logits(alone, ids)) for logits, ids in zip(before, rows, strict=True))
    allowed = TOLERANCE[alone.dtype]
    if not apart <= allowed:  # not a number is no agreement
        precision = str(alone.dtype).removeprefix("torch.")
        message = f"merging in {precision} changes the logits by {apart:.2g} of the largest; {allowed:.2g} is allowed"
        raise ModelError(Problem(message, str(adapter), remedy=KEEP))
    return alone


def first_rows(rows: EncodedSet) -> list[torch.Tensor]:
    """The ids of a few rows, to compare logits on."""
    return [torch.from_numpy(rows.row(i)[0].astype("int64")) for i in range(min(COMPARED, len(rows)))]


@torch.no_grad()
def _logits(model: Any, ids: torch.Tensor) -> torch.Tensor:
    logits: torch.Tensor = model(input_ids=ids[None].to(model.device), use_cache=False).logits
    return logits.float()


def _apart(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max() / one.abs().max())
