"""What the benchmarks share: runs in processes of their own, memory, medians, figures as JSON, and small random models."""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


class Failed(SystemExit):
    """A run did not end as it should; where nobody catches it, the benchmark ends and says so."""


def arguments(doc: str | None, *, repeats: int = 1) -> argparse.ArgumentParser:
    """The parser of a benchmark: its docstring is the help; what all of them take is there."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=repeats, help="runs of each contender")
    parser.add_argument("--out", type=Path, help="where the figures go as JSON")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser


def given(args: argparse.Namespace, *names: str) -> list[str]:
    """Options as they were given, for the process of a single run."""
    return [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(args, name)))]


def alone(
    name: str,
    script: str,
    words: Sequence[str],
    *,
    python: str = sys.executable,
    env: Mapping[str, str] | None = None,
) -> Figures:
    """The figures of one contender's run in a process of its own: the last line that it prints. Raises `Failed`."""
    command = [python, script, "--one", name, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode != 0:
        raise Failed(f"{name}: ended with {done.returncode}\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def by_turns(names: Sequence[str], repeats: int, run: Callable[[str], Figures]) -> dict[str, list[Figures]]:
    """So many runs of each; contenders take turns, and another one begins each turn."""
    runs: dict[str, list[Figures]] = {name: [] for name in names}
    for turn in range(repeats):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            runs[name].append(run(name))
            shown = {key: value for key, value in runs[name][-1].items() if key != "answers"}
            print(f"{turn + 1}/{repeats} {name}: {shown}", file=sys.stderr, flush=True)
    return runs


def medians(made: Sequence[Figures]) -> Figures:
    """The median of each figure that is a number."""
    numbers = [key for key, value in made[0].items() if isinstance(value, (int, float))]
    return {key: statistics.median(run[key] for run in made) for key in numbers}


def write_figures(path: Path | None, figures: Any) -> None:
    if path is not None:
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def settings_of(args: argparse.Namespace, *names: str) -> Figures:
    return {name: getattr(args, name) for name in names}


class Memory:
    """Resident memory of this process from here on, in megabytes (of Linux).

    `ru_maxrss` would begin with the peak of the process that started this one.
    """

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak so far is forgotten
        self.before = _resident("VmRSS")

    def peak(self) -> float:
        """The most that was held since, above what was held then."""
        return _resident("VmHWM") - self.before


def _resident(what: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(rf"{what}:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def word_tokenizer(vocabulary: int) -> Any:
    """Tokens <pad>, </s>, w2, w3 and so on, parted by white space."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, vocabulary)}}
    names = {"unk_token": "<pad>", "pad_token": "<pad>", "eos_token": "</s>", "bos_token": "</s>"}
    made = Tokenizer(models.WordLevel(words, names["unk_token"]))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, **names)


def byte_tokenizer(texts: Iterable[str], vocabulary: int, *, split: str = "", **marks: str) -> Any:
    """A byte-level BPE trained on the texts; `marks` are its special tokens, `split` a pattern that no token crosses."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    parts: list[Any] = [pre_tokenizers.Split(Regex(split), behavior="isolated")] if split else []
    parts.append(pre_tokenizers.ByteLevel(add_prefix_space=False))
    made.pre_tokenizer = pre_tokenizers.Sequence(parts)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(dict.fromkeys(marks.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=made, **marks)


def random_llama(hidden: int, layers: int, *, seed: int = 0, **options: Any) -> Any:
    """A random Llama of four heads, its embedding tied to its head; `options` of its config say otherwise."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    plain = {
        "hidden_size": hidden,
        "intermediate_size": hidden * 8 // 3,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    }
    return LlamaForCausalLM(LlamaConfig(**{**plain, **options}))
