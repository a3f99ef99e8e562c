"""Random models and their tokenizers in hub form, as many tests need them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any


def byte_level(texts: Iterable[str], size: int, special: list[str]) -> Any:
    """A byte-level BPE trained on the texts; the `special` tokens come first."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=special, initial_alphabet=alphabet)
    made.train_from_iterator(texts, trainer)
    return made


def byte_tokenizer(texts: Iterable[str], size: int, special: list[str], **marks: str) -> Any:
    """The same as transformers' tokenizer; `marks` say what the special tokens are for."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=byte_level(texts, size, special), **marks)


def random_llama(
    folder: Path,
    tokenizer: Any,
    hidden: int,
    *,
    layers: int = 2,
    seed: int = 0,
    std: float | None = None,
    **options: Any,
) -> Any:
    """Write a random Llama and its tokenizer into a folder; `std` is that of its matrices, if not the usual one."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    plain = {"vocab_size": len(tokenizer), "hidden_size": hidden, "num_hidden_layers": layers}
    model = LlamaForCausalLM(LlamaConfig(**{**plain, **options}))
    if std is not None:
        for parameter in model.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=std)
    model.save_pretrained(folder)
    return model
