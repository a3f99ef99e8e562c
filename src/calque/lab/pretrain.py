"""Make the base model of the lab: a tokenizer and a small Llama, trained on the world's text, one document a row.

With the gates that a base must pass before any experiment: it knows the facts in English, and it can read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calque.corpora.writing import write_json
from calque.errors import ModelError, Problem
from calque.lab.files import KEPT_PHRASING, PEOPLE, world_of
from calque.lab.lexicon import languages, lexicon
from calque.lab.tasks import Tasks, Told
from calque.lab.text import Document, Shares, documents
from calque.lab.world import World
from calque.randomness import stream

if TYPE_CHECKING:
    import torch

STOP = "<end>"
TOKENS_PER_BATCH = 1024
RECALL_GATE = 0.95
COPYING_GATE = 0.45


@dataclass(frozen=True)
class Size:
    """The base's size, and how long it learns."""

    vocabulary: int = 2400
    width: int = 160
    layers: int = 4
    heads: int = 4
    inner: int = 432
    epochs: int = 5
    learning_rate: float = 2e-3


def pretrain(
    out: Path,
    *,
    seed: int = 0,
    people: int = PEOPLE,
    size: Size | None = None,
    shares: Shares | None = None,
    tell: Callable[[str], None] = print,
) -> Path:
    """Train the base on the world of `seed` and write it in hub form, with `gates.json`, into folder `out`.

    Raises `ModelError` where it does not pass its gates.
    """
    import torch

    size = size or Size()
    world = world_of(seed=seed, people=people)
    english, foreign = lexicon("en"), lexicon(languages()[1])
    texts = documents(world, english, foreign, shares or Shares(), stream(seed, "lab", "text"))
    tokenizer = _tokenizer(texts, size.vocabulary)
    torch.manual_seed(int(stream(seed, "lab", "model").integers(2**31)))
    model = _model(len(tokenizer), tokenizer.eos_token_id, size)
    rows = encoded(texts, tokenizer)
    tell(f"{len(rows):,} documents, {sum(map(len, rows)):,} tokens, {model.num_parameters():,} parameters")
    _train(model, rows, size, seed, tell)
    gates = {"recall": recall(model, tokenizer, world), "copying": copying(model, tokenizer, world)}
    tell(f"recall of facts in English {gates['recall']:.3f}, copying from a text {gates['copying']:.3f}")
    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    write_json(out / "gates.json", {"seed": seed, "people": people, **gates})
    if gates["recall"] < RECALL_GATE or gates["copying"] < COPYING_GATE:
        message = f"the base does not pass its gates: recall {RECALL_GATE}, copying {COPYING_GATE}"
        raise ModelError(Problem(message, str(out), remedy="more epochs, a wider model, or fewer people"))
    return out


def encoded(texts: list[Document], tokenizer: Any) -> list[list[int]]:
    """Token ids of documents, piece by piece, each with the stop token at its end."""
    ids = iter(tokenizer([piece for text in texts for piece in text])["input_ids"])
    return [[*(i for _ in text for i in next(ids)), tokenizer.eos_token_id] for text in texts]


def _tokenizer(texts: list[Document], vocabulary: int) -> Any:
    """Byte-level BPE over the world's text and over the wordings of prompts in its languages."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[STOP],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    prompts = list(_prompt_texts()) * 200
    tokenizer.train_from_iterator([*(piece for text in texts for piece in text), *prompts], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=STOP, pad_token=STOP)


def _prompt_texts() -> Iterator[str]:
    folder = resources.files("calque.prompts")
    for kind in ("benchmarks", "translation"):
        for language in languages():
            yield (folder / kind / f"{language}.yaml").read_text(encoding="utf-8")
    for language in languages():
        yield str(lexicon(language).data["instructions"])


def _model(vocabulary: int, stop: int, size: Size) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=size.width,
            intermediate_size=size.inner,
            num_hidden_layers=size.layers,
            num_attention_heads=size.heads,
            max_position_embeddings=1024,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=stop,
            pad_token_id=stop,
        )
    )


def _train(model: Any, rows: list[list[int]], size: Size, seed: int, tell: Callable[[str], None]) -> None:
    import torch

    from calque.engines.device import best_device, resolve_dtype
    from calque.tuning import attention

    device = best_device()
    dtype = resolve_dtype("auto", device)
    model.to(device).train()
    attention.install(model, device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=size.learning_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    random = stream(seed, "lab", "batches")
    batches = [batch for _ in range(size.epochs) for batch in _batches(rows, random)]
    total = 0.0
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = size.learning_rate * _course(step, len(batches))
        ids, labels = (t.to(device) for t in _padded([rows[i] for i in batch]))
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            logits = model(input_ids=ids, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
        )
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        total += float(loss.detach())
        if (step + 1) % 100 == 0 or step + 1 == len(batches):
            tell(f"step {step + 1:,}/{len(batches):,}  loss {total / (step % 100 + 1):.3f}")
            total = 0.0
    model.eval()
    model.config._attn_implementation = "sdpa"


def _course(step: int, steps: int) -> float:
    """Share of the highest rate: 100 steps of warm-up, then a cosine down to a twentieth."""
    if step < 100:
        return (step + 1) / 100
    return 0.05 + 0.95 * (1 + math.cos(math.pi * (step - 100) / max(1, steps - 100))) / 2


def _batches(rows: list[list[int]], random: np.random.Generator) -> list[list[int]]:
    """Rows of like length together, in batches by token budget, the batches shuffled."""
    order = sorted(random.permutation(len(rows)).tolist(), key=lambda i: len(rows[i]))
    batches: list[list[int]] = [[]]
    for i in order:
        if (len(batches[-1]) + 1) * len(rows[i]) > TOKENS_PER_BATCH:
            batches.append([])
        batches[-1].append(i)
    return [batches[i] for i in random.permutation(len(batches)).tolist()]


def _padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    labels = torch.tensor([row + [-100] * (longest - len(row)) for row in rows])
    return ids, labels


def recall(model: Any, tokenizer: Any, world: World) -> float:
    """Share of the tested people's facts that the base completes in English, greedily."""
    words = lexicon("en")
    prompts, answers = [], []
    for entity in world.known("tested"):
        for fact in entity.facts.values():
            text = words.statement(fact, 0)
            answer = words.answer(fact)
            prompts.append(text[: text.rindex(answer)].rstrip())
            answers.append(answer)
    return _share_right(model, tokenizer, prompts, answers)


def copying(model: Any, tokenizer: Any, world: World, count: int = 300) -> float:
    """Share of questions on texts about passing people that the base answers in English, greedily."""
    words = lexicon("en")
    tasks = Tasks(world, stream(world.seed, "lab", "gate"), [KEPT_PHRASING])
    asked = [tasks.text() for _ in range(count)]
    prompts = [f"{task.text(words)}\n{task.question(words)}\n" for task in asked]
    return _share_right(model, tokenizer, prompts, [task.answer(words) for task in asked])


def _share_right(model: Any, tokenizer: Any, prompts: list[str], answers: list[str]) -> float:
    """Share of prompts whose continuation begins with the answer."""
    import torch

    right = 0
    tokenizer.padding_side = "left"
    for start in range(0, len(prompts), 64):
        batch = tokenizer(prompts[start : start + 64], return_tensors="pt", padding=True)
        with torch.inference_mode():
            written = model.generate(
                input_ids=batch["input_ids"].to(model.device),
                attention_mask=batch["attention_mask"].to(model.device),
                max_new_tokens=8,
                do_sample=False,
            )
        texts = tokenizer.batch_decode(written[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        expected = answers[start : start + 64]
        right += sum(text.strip().startswith(answer) for text, answer in zip(texts, expected, strict=True))
    return right / len(prompts)


__all__ = ["Size", "Told", "copying", "pretrain", "recall"]
