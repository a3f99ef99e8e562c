"""The trainers of the hub on the rows that our loop takes: HF Trainer, and TRL as it is or packing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Rows = tuple[list[list[int]], list[int]]  # token ids of each row, and from where on it is trained


def lognormal_lengths(count: int) -> Any:
    """Lengths of rows in tokens: 20 to 500, with a mean near 140."""
    draw = np.random.Generator(np.random.PCG64(0))
    return draw, draw.lognormal(np.log(118), 0.6, count).clip(20, 500).astype(int)


def rows_of(lengths: Any, draw: np.random.Generator, vocabulary: int) -> Rows:
    """Random rows of these lengths, of which the last 46% are trained."""
    ids = [draw.integers(5, vocabulary, n).tolist() for n in lengths]
    return ids, [round(n * 0.54) for n in lengths]


def counted(rows: Rows) -> tuple[int, int]:
    """Tokens, and trained ones."""
    return sum(map(len, rows[0])), sum(len(row) - start for row, start in zip(*rows, strict=True))


def encoded(rows: Rows, groups: Any = None, kinds: tuple[str, ...] = ()) -> Any:
    """Rows as our loop takes them."""
    from calque.tuning.encode import EncodedSet

    ids, starts = rows
    lengths = [len(row) for row in ids]
    return EncodedSet(
        np.concatenate(ids).astype(np.int32),
        np.concatenate([np.arange(n) >= start for n, start in zip(lengths, starts, strict=True)]),
        np.concatenate([[0], np.cumsum(lengths)]),
        *(() if groups is None else (groups, kinds)),
    )


def in_our_order(rows: Rows, settings: Any) -> Rows:
    """The same rows, step by step as our loop takes them."""
    from calque.tuning.batch import plan_of

    plan = plan_of(encoded(rows), settings, 0, tokens_per_batch=2048)  # no order depends on the budget
    order = [row for step in plan.steps() for row in step.rows]
    return [rows[0][row] for row in order], [rows[1][row] for row in order]


def with_ours(model: Path, rows: Any, settings: Any, on_step: Callable[..., None]) -> Any:
    """Our own loop on encoded rows."""
    from calque.engines.loading import ModelFiles
    from calque.tuning.loop import tune

    with tempfile.TemporaryDirectory() as out:
        files = ModelFiles("m", model)
        return tune(files, rows, settings, seed=0, folder=Path(out), fingerprint={}, on_step=on_step)


def adapted(model: Any, settings: Any) -> Any:
    """The model with the adapter that ours begins with."""
    from calque.tuning.adapt import adapt
    from calque.tuning.loop import _seed

    _seed(0, "adapter")
    return adapt(model, settings)


def packed_steps(rows: Rows, rows_per_step: int, packed: int, micro_batch: int) -> dict[str, int]:
    """Options under which a step of packed rows has as many tokens as those of the others have."""
    wanted = rows_per_step * counted(rows)[0] / len(rows[0]) / packed
    micro_batch = min(micro_batch, max(1, round(wanted)))
    accumulated = max(1, round(wanted / micro_batch))
    return {"per_device_train_batch_size": micro_batch, "gradient_accumulation_steps": accumulated}


def train(
    name: str,
    llama: Any,
    model: Path,
    rows: Rows,
    options: dict[str, Any],
    packed: int,
    on_step: Callable[..., None],
) -> list[float]:
    """Train `llama` on the rows as they come; the loss of each step. A `name` with `trl` is TRL's, with `packed` packs."""
    import transformers

    class Listener(transformers.TrainerCallback):
        on_step_end = staticmethod(on_step)

    common: dict[str, Any] = {
        "train_sampling_strategy": "sequential",
        "lr_scheduler_type": "constant",
        "save_strategy": "no",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "report_to": "none",
        "disable_tqdm": True,
        **options,
    }
    trainer: Any
    with tempfile.TemporaryDirectory() as out:
        if name.startswith("trl"):
            import datasets
            import trl

            table = datasets.Dataset.from_list(
                [
                    {"input_ids": row, "completion_mask": [int(i >= start) for i in range(len(row))]}
                    for row, start in zip(*rows, strict=True)
                ]
            )
            packs = "packed" in name
            # by default it heeds the mask of texts alone, and trains on all tokens of rows that are encoded
            config = trl.SFTConfig(out, max_length=packed, packing=packs, completion_only_loss=True, **common)
            tokenizer = transformers.AutoTokenizer.from_pretrained(model)
            trainer = trl.SFTTrainer(
                llama, args=config, train_dataset=table, processing_class=tokenizer, callbacks=[Listener()]
            )
        else:
            examples: Any = [
                {"input_ids": row, "labels": [-100] * start + row[start:], "length": len(row)}
                for row, start in zip(*rows, strict=True)
            ]
            config = transformers.TrainingArguments(out, remove_unused_columns=False, **common)
            trainer = transformers.Trainer(
                llama, config, data_collator=padded, train_dataset=examples, callbacks=[Listener()]
            )
        trainer.train()
    return [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]


def padded(batch: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows side by side, padded to the longest."""
    import torch

    longest = max(len(row["input_ids"]) for row in batch)

    def side_by_side(key: str, filler: int) -> Any:
        return torch.tensor([row[key] + [filler] * (longest - len(row[key])) for row in batch])

    mask = torch.tensor([[int(i < len(row["input_ids"])) for i in range(longest)] for row in batch])
    return {
        "input_ids": side_by_side("input_ids", 0),
        "labels": side_by_side("labels", -100),
        "attention_mask": mask,
    }


def losses_apart(ours: list[float], its: list[float]) -> float:
    """How far the losses of the steps lie apart at most."""
    return max(abs(a - b) for a, b in zip(ours, its, strict=True))
