"""Greedy answers, sampled ones and choices: our engine against generate, continuous batching and CTranslate2.

    python benchmarks/generation.py [--size 1.5M] [--prompts 256] [--tokens 128] [--repeats 3] [--out FILE]

All answer the same prompts with the same random Llama in fp32: prompts of 11 to 270 tokens, lognormal, a vocabulary of
8192, and as a rule as many new tokens as the limit allows. Our engine is given texts and gives texts back; the others are
given token ids. Each run is a process of its own, contenders take turns, and loading is not counted. `generate` one by one
answers every eighth prompt. Greedy answers must be the same: the table counts those that are, and those that part from
ours only at a tie, where a plain forward pass finds the two tokens' logits within 1e-4. Sampling draws from the whole
vocabulary at temperature 0.7. `choose` and `rate` are our scores of four choices and of one of three tokens behind the
same prompts, in answers a second. `one lane` gives all threads to one batch, `a batch a thread` each thread its own. On a
machine that is busy with other things take `--threads 1 --clock cpu`: seconds are then those of the processor. CTranslate2 takes part where it can be imported (benchmarks/requirements.txt).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    Memory,
    alone,
    arguments,
    by_turns,
    given,
    medians,
    random_llama,
    settings_of,
    word_tokenizer,
    write_figures,
)

from tuning import SIZES, VOCABULARY

Answers = list[list[int]]
TEMPERATURE = 0.7
STOP = 1  # 0 is padding, and no text of ours holds it
ONE_BY_ONE = 8  # `generate` one by one answers one prompt of so many
CHOICES = [f"w{i}" for i in range(100, 104)]
RATINGS = CHOICES[:3]
GREEDY = (
    "calque",
    "calque, one lane",
    "generate, batch 1",
    "generate, batch 16",
    "generate, batch 64",
    "continuous batching",
    "ctranslate2",
    "ctranslate2, a batch a thread",
)
SAMPLED = ("calque, sampled", "generate, batch 64, sampled", "ctranslate2, sampled")
SCORED = ("calque, choose", "calque, choose, one lane", "calque, rate")


def make_prompts(count: int) -> list[str]:
    """Texts of words that are tokens."""
    draw = np.random.Generator(np.random.PCG64(1))
    lengths = (draw.lognormal(np.log(118), 0.6, count).clip(20, 500) * 0.54).astype(int)
    return [" ".join(f"w{i}" for i in draw.integers(5, VOCABULARY, n)) for n in lengths]


def make_model(folder: Path, size: str) -> None:
    shape = SIZES[size]
    random_llama(
        shape.hidden,
        shape.layers,
        vocab_size=VOCABULARY,
        initializer_range=0.06,  # at the usual 0.02 a random model with tied embeddings repeats its last token
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    ).save_pretrained(folder)
    word_tokenizer(VOCABULARY).save_pretrained(folder)


def load(folder: Path) -> tuple[Any, Any]:
    import torch

    from calque.engines.loading import ModelFiles, load_model, load_tokenizer
    from calque.prompts.encoding import make_encoder

    files = ModelFiles("m", folder)
    return load_model(files, dtype=torch.float32), make_encoder(load_tokenizer(files), "plain")


def asked(args: argparse.Namespace) -> list[Any]:
    from calque.records import Message

    return [(Message("user", text, "en"),) for text in make_prompts(args.prompts)]


def with_calque(
    folder: Path, args: argparse.Namespace, kind: str
) -> tuple[Callable[[], Any], Callable[[Any], Answers]]:
    from calque.engines.lanes import Lanes
    from calque.engines.transformers_engine import TransformersEngine

    model, encoder = load(folder)
    engine = TransformersEngine(model, encoder, "m")
    if "one lane" in kind and engine.passes is not None:
        engine.lanes = Lanes(engine.decoder, engine.passes, most=1)
    conversations = asked(args)
    if kind.startswith("choose"):
        return lambda: engine.choose(conversations, [CHOICES] * len(conversations)), lambda _: []
    if kind == "rate":
        return lambda: engine.choose(conversations, [RATINGS] * len(conversations)), lambda _: []
    options = {"max_new_tokens": args.tokens}
    if kind == "sampled":
        from calque.engines import Sampling

        options["sampling"] = Sampling(temperature=TEMPERATURE)
    return lambda: engine.complete(conversations, **options), lambda made: encoder.encode_answers(
        [answer.text for answer in made]
    )


def with_generate(folder: Path, prompts: Answers, args: argparse.Namespace, batch: int, kind: str) -> Any:
    import torch

    model, _ = load(folder)
    some = prompts[:: ONE_BY_ONE if batch == 1 else 1]
    sampling = {"do_sample": True, "temperature": TEMPERATURE, "top_k": 0} if kind else {"do_sample": False}

    def run() -> Answers:
        written: Answers = []
        for start in range(0, len(some), batch):
            rows = some[start : start + batch]
            longest = max(map(len, rows))
            ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
            mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
            output = model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=args.tokens, pad_token_id=0, **sampling
            )
            written += output[:, longest:].tolist()
        return written

    return run, lambda made: made


def with_continuous_batching(folder: Path, prompts: Answers, args: argparse.Namespace) -> Any:
    from transformers import GenerationConfig

    model, _ = load(folder)
    config = GenerationConfig(max_new_tokens=args.tokens, do_sample=False, eos_token_id=1, pad_token_id=0)

    def read(made: Any) -> Answers:
        """By the prompts: the names of the requests do not sort."""
        by_prompt = {tuple(one.prompt_ids): list(one.generated_tokens) for one in made.values()}
        return [by_prompt[tuple(prompt)] for prompt in prompts]

    return lambda: model.generate_batch(inputs=prompts, generation_config=config), read


def with_ctranslate2(folder: Path, prompts: Answers, args: argparse.Namespace, name: str) -> Any:
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    made_at = folder / "ctranslate2"
    if not made_at.exists():
        TransformersConverter(str(folder)).convert(str(made_at))
    threads = {"inter_threads": args.threads, "intra_threads": 1}
    if "a batch a thread" not in name:
        threads = {"intra_threads": args.threads}
    generator = ctranslate2.Generator(str(made_at), device="cpu", compute_type="float32", **threads)
    texts = [[f"w{i}" if i > 1 else "</s>" for i in row] for row in prompts]
    sampling = {"sampling_topk": 0, "sampling_temperature": TEMPERATURE} if "sampled" in name else {}

    def run() -> Any:
        return generator.generate_batch(
            texts,
            max_length=args.tokens,
            include_prompt_in_result=False,
            max_batch_size=args.batch_ctranslate2,
            **sampling,
        )

    return run, lambda made: [list(one.sequences_ids[0]) for one in made]


def run_one(name: str, folder: Path, args: argparse.Namespace) -> None:
    """One run, in this process; prints its figures as JSON."""
    import torch

    torch.set_num_threads(args.threads)
    _, encoder = load(folder)
    prompts = encoder.encode_prompts(asked(args))
    kind = "sampled" if "sampled" in name else name.partition("calque, ")[2]
    if name.startswith("calque"):
        run, read = with_calque(folder, args, kind)
    elif name.startswith("generate"):
        run, read = with_generate(folder, prompts, args, int(name.split()[2].rstrip(",")), kind)
    elif name == "continuous batching":
        run, read = with_continuous_batching(folder, prompts, args)
    else:
        run, read = with_ctranslate2(folder, prompts, args, name)
    memory = Memory()
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    start = clock()
    made = run()
    seconds = clock() - start
    answers = [[i for i in (row[: row.index(STOP)] if STOP in row else row) if i] for row in read(made)]
    figures = {
        "tokens_per_second": sum(map(len, answers)) / seconds,
        "answers_per_second": (len(answers) or len(prompts)) / seconds,
        "peak_megabytes": memory.peak(),
        "answers": answers if name in GREEDY else [],
    }
    print(json.dumps(figures))


def compared(folder: Path, args: argparse.Namespace, ours: Answers, others: Answers) -> tuple[int, int]:
    """How many answers are the same, and how many part at a tie."""
    import torch

    model, encoder = load(folder)
    prompts = encoder.encode_prompts(asked(args))
    if len(others) < len(ours):
        prompts, ours = prompts[::ONE_BY_ONE], ours[::ONE_BY_ONE]
    same = ties = 0
    for prompt, a, b in zip(prompts, ours, others, strict=True):
        if a == b:
            same += 1
            continue
        pairs = enumerate(zip([*a, 1], [*b, 1], strict=False))
        parting, (left, right) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
        with torch.inference_mode():
            logits = model(torch.tensor([prompt + a[:parting]])).logits[0, -1]
        ties += abs(float(logits[left] - logits[right])) < 1e-4
    return same, ties


def contenders() -> list[str]:
    known = importlib.util.find_spec("ctranslate2") is not None
    names = (*GREEDY, *SAMPLED, *SCORED)
    return [name for name in names if known or not name.startswith("ctranslate2")]


def main() -> None:
    parser = arguments(__doc__, repeats=3)
    parser.add_argument("--size", choices=["1.5M", "10M"], default="1.5M")
    parser.add_argument("--prompts", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=128, help="new tokens, at most")
    parser.add_argument("--batch-ctranslate2", type=int, default=64, help="prompts that CTranslate2 batches")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall", help="seconds of what")
    parser.add_argument("--only", help="contenders whose names begin so, and ours; several with `;` between")
    parser.add_argument("--model", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        run_one(args.one, args.model, args)
        return
    names = contenders()
    if args.only:
        chosen = [n for n in names if n.startswith(tuple(args.only.split(";")))]
        ours = {"calque", *(SAMPLED[:1] if set(chosen) & set(SAMPLED) else ())}
        names = [n for n in names if n in ours or n in chosen]
    options = ("size", "prompts", "tokens", "batch_ctranslate2", "threads", "clock")
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), args.size)
        words = ["--model", folder, *given(args, *options)]
        runs = by_turns(names, args.repeats, lambda name: alone(name, __file__, words))
        equal = {
            name: compared(Path(folder), args, runs["calque"][0]["answers"], runs[name][0]["answers"])
            for name in names
            if name in GREEDY
        }
    report(args, options, runs, equal)


def report(
    args: argparse.Namespace,
    options: tuple[str, ...],
    runs: dict[str, list[dict[str, Any]]],
    equal: dict[str, tuple[int, int]],
) -> None:
    """The table, and the figures as JSON."""
    table: dict[str, dict[str, Any]] = {}
    print(f"{args.size:30}{'tokens/s':>10}{'answers/s':>11}{'peak MB':>9}{'same, ties':>13}{'calque is':>11}")
    for name, made in runs.items():
        row = medians(made)
        ours = runs["calque, sampled" if "sampled" in name else "calque"]
        row["calque_is"] = statistics.median(
            mine["answers_per_second"] / its["answers_per_second"]
            for mine, its in zip(ours, made, strict=True)
        )
        row["answers"] = len(made[0]["answers"])
        row["same"], row["ties"] = equal.get(name, (None, None))
        table[name] = row
        agreed = f"{row['same']}+{row['ties']}/{row['answers']}" if name in equal else ""
        print(
            f"{name:30}{row['tokens_per_second']:>10,.0f}{row['answers_per_second']:>11,.1f}"
            f"{row['peak_megabytes']:>9,.0f}{agreed:>13}{row['calque_is']:>10.2f}×"
        )
    for made in runs.values():
        for figures in made:
            del figures["answers"]
    settings = settings_of(args, *options, "repeats")
    write_figures(args.out, {"settings": settings, "medians": table, "runs": runs})


if __name__ == "__main__":
    main()
