"""Make the base model of the lab: a tokenizer and a small Llama, trained on the world's text, one document a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from calque.corpora.writing import write_json
from calque.errors import ModelError, Problem
from calque.lab.files import PEOPLE, world_of
from calque.lab.gates import GATES, measure
from calque.lab.lexicon import languages, lexicon
from calque.lab.text import Document, Shares, documents
from calque.lab.world import Random
from calque.randomness import stream
from calque.tuning.encode import EncodedSet

STOP = "<end>"


@dataclass(frozen=True)
class Size:
    """The base's size, and how long it learns."""

    vocabulary: int = 4000
    width: int = 160
    layers: int = 4
    heads: int = 4
    inner: int = 432
    epochs: int = 5
    learning_rate: float = 2.5e-3
    tokens_per_batch: int = 1024


def sized(*, layers: int, width: int, epochs: int) -> Size:
    """The size of a model of so many layers and such a width: heads of 40, or of a size near it, and an inner width in proportion."""
    heads = next((n for n in range(max(1, width // 40), 0, -1) if width % (2 * n) == 0), 1)
    return Size(layers=layers, width=width, heads=heads, inner=round(2.7 * width / 8) * 8, epochs=epochs)


def pretrain(
    out: Path,
    *,
    seed: int = 0,
    people: int = PEOPLE,
    targets: Sequence[str] = (),
    size: Size | None = None,
    shares: Shares | None = None,
    tell: Callable[[str], None] = print,
) -> Path:
    """Train the base on the world of `seed` and write it in hub form, with `gates.json`, into folder `out`.

    `targets` are the languages beside English; all by default. Weights are kept in bf16 and measured so. Raises
    `ModelError` where the base does not pass its gates.
    """
    import torch

    size = size or Size()
    world = world_of(seed=seed, people=people)
    spoken = [lexicon(code) for code in targets or languages()[1:]]
    texts = documents(world, spoken, shares or Shares(), stream(seed, "lab", "text"))
    tokenizer = _tokenizer(texts, ["en", *(words.language for words in spoken)], size.vocabulary)
    torch.manual_seed(int(stream(seed, "lab", "model").integers(2**31)))
    model = _model(len(tokenizer), tokenizer.eos_token_id, size)
    rows = encoded(texts, tokenizer)
    tell(f"{len(rows):,} documents, {len(rows.tokens):,} tokens, {model.num_parameters():,} parameters")
    _train(model, rows, size, seed, tell)
    model.to(torch.bfloat16).float()
    gates = measure(model, tokenizer, world)
    tell("right answers in English: " + ", ".join(f"{name} {share:.3f}" for name, share in gates.items()))
    out.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(out, safe_serialization=True)
    tokenizer.save_pretrained(out)
    spoken_codes = [words.language for words in spoken]
    write_json(out / "gates.json", {"seed": seed, "people": people, "languages": spoken_codes, **gates})
    failed = [
        f"{name} {gates[name]} (at least {least})" for name, least in GATES.items() if gates[name] < least
    ]
    if failed:
        message = f"the base does not pass its gates: {', '.join(failed)}"
        raise ModelError(Problem(message, str(out), remedy="more epochs, a wider model, or fewer people"))
    return out


def encoded(texts: list[Document], tokenizer: Any) -> EncodedSet:
    """Token ids of documents, piece by piece, each with the stop token at its end."""
    ids = iter(tokenizer([piece.text for text in texts for piece in text])["input_ids"])
    tokens: list[int] = []
    trained: list[bool] = []
    offsets = [0]
    for text in texts:
        for piece in text:
            found = next(ids)
            tokens += found
            trained += [piece.learnt] * len(found)
        tokens.append(tokenizer.eos_token_id)
        trained.append(True)
        offsets.append(len(tokens))
    return EncodedSet(np.array(tokens, np.int32), np.array(trained, np.bool_), np.array(offsets, np.int64))


def _tokenizer(texts: list[Document], codes: Sequence[str], vocabulary: int) -> Any:
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
    prompts = list(_prompt_texts(codes)) * 100
    tokenizer.train_from_iterator([*(piece.text for text in texts for piece in text), *prompts], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=STOP, pad_token=STOP)


def _prompt_texts(codes: Sequence[str]) -> Iterator[str]:
    folder = resources.files("calque.prompts")
    for kind in ("benchmarks", "translation"):
        for code in codes:
            yield (folder / kind / f"{code}.yaml").read_text(encoding="utf-8")
    for code in codes:
        yield str(lexicon(code).data["instructions"])


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


def _train(model: Any, rows: EncodedSet, size: Size, seed: int, tell: Callable[[str], None]) -> None:
    import torch

    from calque.engines.device import best_device, resolve_dtype
    from calque.engines.products import fast_products
    from calque.tuning import attention
    from calque.tuning.batch import collate
    from calque.tuning.forward import ResponseLoss

    device = best_device()
    dtype = resolve_dtype("auto", device)
    model.to(device)
    attention.install(model, device)
    loss_of = ResponseLoss(model)
    model.train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=size.learning_rate, betas=(0.9, 0.95), weight_decay=0.01, fused=True
    )
    random = stream(seed, "lab", "batches")
    batches = [b for _ in range(size.epochs) for b in _batches(rows, size.tokens_per_batch, random)]
    losses: list[torch.Tensor] = []
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = size.learning_rate * _course(step, len(batches))
        arrays = collate(rows, batch)
        ids, positions, labels = (
            torch.from_numpy(a).to(device) for a in (arrays.ids, arrays.positions, arrays.labels)
        )
        with fast_products():
            with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
                loss = loss_of(ids, positions, labels).sum() / int((arrays.rows >= 0).sum())
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
        if len(losses) == 100 or step + 1 == len(batches):
            tell(f"step {step + 1:,}/{len(batches):,}  loss {sum(map(float, losses)) / len(losses):.3f}")
            losses = []
    model.eval()
    model.config._attn_implementation = "sdpa"


def _course(step: int, steps: int) -> float:
    """Share of the highest rate: 100 steps of warm-up, then a cosine down to a twentieth."""
    if step < 100:
        return (step + 1) / 100
    return 0.05 + 0.95 * (1 + math.cos(math.pi * (step - 100) / max(1, steps - 100))) / 2


def _batches(rows: EncodedSet, tokens: int, random: Random) -> list[tuple[int, ...]]:
    """Rows of like length together, in batches by token budget, the batches shuffled."""
    lengths = rows.lengths.tolist()
    order = sorted(random.permutation(len(rows)).tolist(), key=lengths.__getitem__)
    batches: list[list[int]] = [[]]
    for i in order:
        if (len(batches[-1]) + 1) * lengths[i] > tokens:
            batches.append([])
        batches[-1].append(i)
    return [tuple(batches[i]) for i in random.permutation(len(batches)).tolist()]
