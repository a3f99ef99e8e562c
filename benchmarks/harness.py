"""Our evaluation against lm-evaluation-harness: the same model, prompts and files; equal scores, and how much faster.

    python benchmarks/harness.py --data FOLDER [--language zh] [--limit 200] [--first] [--shots 5] [--size 1.3M] [--batch 32]

A random Llama in hub form, its tokenizer trained on the files, answers XNLI, XCOPA, Belebele (by letters and
by the options' texts) and XQuAD (greedy spans). The harness is given our prompts as local JSON lines, and no task of its own (`include_defaults=False`);
with --shots it puts the same examples before each itself, and its prompts must be ours, letter by letter.
With --first, questions are the first ones of the files and not drawn, so that as many are about one passage as in whole files.
Accuracies must be equal, as `acc` and `acc_norm`, and answers the same; else the script fails. Both hold the model in one
process and take turns; ours includes reading the files and the bootstrap, the harness's its evaluation alone, its tasks being
built before. On a busy machine take `--threads 1 --clock cpu`: seconds are then those of the processor. Needs
benchmarks/requirements.txt.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import byte_tokenizer, random_llama

from calque.corpora.files import read_text
from calque.evaluation.asked import items_of
from calque.evaluation.belebele import BELEBELE
from calque.evaluation.benchmarks import BENCHMARKS
from calque.evaluation.evaluate import evaluate
from calque.evaluation.items import Item
from calque.evaluation.mmlu import letter_graders
from calque.evaluation.multiple_choice import TEXTS
from calque.evaluation.shots import Shots
from calque.evaluation.wording import LETTERS
from calque.recipes.official_files import find
from calque.records import Conversation

VOCABULARY = 4096
NEW_TOKENS = 32
SIZES = {
    "1.3M": (128, 6, 4, VOCABULARY),
    "12M": (384, 7, 6, 16384),
    "106M": (576, 30, 9, 49152),
}  # hidden size, layers, heads, vocabulary; parameters beside the embeddings; the last is SmolLM-135M's shape
TEMPLATE = """\
stops: []
between: "\\n\\n"
en: {preamble: "", preamble_with_input: "", user: "{text}\\n", user_with_input: "{text}\\n{input}\\n", answer: "Answer:"}
"""  # ends in no white space, which the harness would take for a part of the answer
BENCHMARKS["belebele_letters"] = replace(
    BELEBELE,
    name="belebele_letters",
    writes=False,
    verdict="accuracy_choice",
    graders=lambda language: letter_graders(language)[:1],
)
BENCHMARKS["belebele_texts"] = replace(
    BELEBELE,
    name="belebele_texts",
    form="qa",
    chooses="texts",
    writes=False,
    verdict="accuracy",
    graders=lambda _language: (TEXTS,),
)
TASKS = {
    "xnli": "xnli",
    "xcopa": "xcopa",
    "belebele_letters": "belebele",
    "belebele_texts": "belebele",
    "xquad": "xquad",
}


def make_model(folder: Path, texts: list[str], size: str) -> None:
    """A random Llama and a tokenizer of 4096 tokens, none of which crosses a line's end or a colon."""
    import torch

    fast = byte_tokenizer(texts, VOCABULARY, split="[\n:]", eos_token="</s>", pad_token="</s>")  # noqa: S106
    fast.save_pretrained(folder)
    hidden, layers, heads, vocabulary = SIZES[size]
    model = random_llama(
        hidden, layers, vocab_size=vocabulary, num_attention_heads=heads, max_position_embeddings=8192,
        tie_word_embeddings=False, eos_token_id=0, bos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    for parameter in model.parameters():
        if parameter.ndim > 1:
            # Far from uniform, so that few choices come near a tie.
            torch.nn.init.normal_(parameter, std=1.1 * hidden**-0.5)
    with torch.no_grad():
        model.lm_head.weight[len(fast) :] = 0  # what the tokenizer does not know is never the likeliest
    model.save_pretrained(folder)


def first_of(files: list[Path], count: int, folder: Path) -> list[Path]:
    """Official files of the first questions alone, and what lies beside them."""
    folder.mkdir()
    made = []
    for path in files:
        made.append(folder / path.name.removesuffix(".gz"))
        text = read_text(path)
        if ".json" in path.suffixes:
            left, data = count, json.loads(text)
            for paragraph in (p for article in data["data"] for p in article["paragraphs"]):
                paragraph["qas"] = paragraph["qas"][:left]
                left -= len(paragraph["qas"])
            text = json.dumps(data, ensure_ascii=False)
        else:
            text = "".join(text.splitlines(keepends=True)[:count])
        made[-1].write_text(text, encoding="utf-8")
        for beside in path.parent.glob("*labels.txt"):
            shutil.copy(beside, folder)
    return made


def make_task(
    folder: Path, name: str, items: list[Item], prompts: list[str], examples: list[tuple[str, str]]
) -> None:
    """The harness's task: our prompts, without examples, as JSON lines; and its settings, with (prompt, answer) of each example."""
    chooses = BENCHMARKS[name].chooses
    rows = []
    for item, prompt in zip(items, prompts, strict=True):
        row: dict[str, Any] = {"text": prompt, "id": item.id}
        if chooses:
            row |= {"choices": list(LETTERS[: len(item.choices)] if chooses == "letters" else item.choices)}
            row |= {"gold": LETTERS.index(item.golds[0])}
        else:
            row |= {"answer": item.golds[0]}
        rows.append(json.dumps(row, ensure_ascii=False))
    (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings: dict[str, Any] = {
        "task": f"calque_{name}", "dataset_path": "json", "test_split": "test", "doc_to_text": "{{text}}",
        "dataset_kwargs": {"data_files": {"test": str(folder / f"{name}.jsonl")}}, "target_delimiter": "",
    }  # fmt: skip
    if chooses:
        metrics = [
            {"metric": metric, "aggregation": "mean", "higher_is_better": True}
            for metric in ("acc", "acc_norm")
        ]
        settings |= {
            "output_type": "multiple_choice",
            "doc_to_choice": "choices",
            "doc_to_target": "gold",
            "metric_list": metrics,
        }
    else:
        generation = {"until": ["</s>"], "max_gen_toks": NEW_TOKENS, "do_sample": False}
        metrics = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
        settings |= {
            "output_type": "generate_until",
            "doc_to_target": "answer",
            "generation_kwargs": generation,
            "metric_list": metrics,
        }
    if examples:
        shown = [
            {"text": text, "choices": [answer], "gold": 0, "answer": answer} for text, answer in examples
        ]
        settings |= {"num_fewshot": len(shown), "fewshot_delimiter": "\n\n"}
        settings |= {"fewshot_config": {"sampler": "first_n", "samples": shown}}
    (folder / f"{name}.yaml").write_text(json.dumps(settings), encoding="utf-8")


def timed(what: Callable[[], Any], clock: str) -> tuple[Any, float]:
    now = time.process_time if clock == "cpu" else time.perf_counter
    began = now()
    return what(), now() - began


def compare(name: str, ours: Path, theirs: dict[str, Any], prompts: dict[str, str]) -> dict[str, Any]:
    """Scores of both by the harness's names, and the share of items on which they agree. Raises where scores differ."""
    rows = [json.loads(line) for line in (ours / "answers.jsonl").read_text(encoding="utf-8").splitlines()]
    task = f"calque_{name}"
    samples = {sample["doc"]["id"]: sample for sample in theirs["samples"][task]}
    for id_, sample in samples.items():
        if sample["arguments"][0][0] != prompts[id_]:
            raise SystemExit(
                f"{name}: the prompt of {id_} is another one there:\n{sample['arguments'][0][0]}"
            )
    if not BENCHMARKS[name].chooses:
        other = [
            row["id"] for row in rows if row["answer"] != samples[row["id"]]["filtered_resps"][0].strip()
        ]
        if other:
            raise SystemExit(
                f"{name}: {len(other)} of {len(rows)} answers are others there: {', '.join(other[:5])}"
            )
        return {"answers that agree": 1.0}
    names = {"accuracy": "acc", "accuracy_choice": "acc", "accuracy_per_character": "acc_norm"}
    found: dict[str, Any] = {}
    for metric, called in names.items():
        if metric in rows[0]["metrics"]:
            mine = sum(row["metrics"][metric] for row in rows) / len(rows)
            found[called] = (mine, theirs["results"][task][f"{called},none"])
            if abs(found[called][0] - found[called][1]) > 1e-9:
                raise SystemExit(f"{name}: {called} is {found[called][0]} here and {found[called][1]} there")
    likelihoods = [
        abs(a - b[0])
        for row in rows
        for a, b in zip(row["log_likelihoods"], samples[row["id"]]["filtered_resps"], strict=True)
    ]
    return {**found, "furthest log-likelihoods": max(likelihoods)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--language", default="zh")
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32, help="the harness's batch; ours is cut by tokens")
    parser.add_argument("--first", action="store_true", help="the first questions, not any")
    parser.add_argument("--shots", type=int, default=0)
    parser.add_argument("--size", choices=SIZES, default="1.3M")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as there are cores")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    import lm_eval
    import torch
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    from calque.engines.loading import find_model, load_model, load_tokenizer
    from calque.engines.transformers_engine import TransformersEngine
    from calque.prompts.encoding import make_encoder

    if given.threads:
        torch.set_num_threads(given.threads)
    names = given.tasks.split(",")
    shots = Shots(given.shots, form="text")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        files = {name: find(TASKS[name], given.language, given.data) for name in names}
        if given.first:
            files = {name: first_of(files[name], given.limit, root / f"first-{name}") for name in names}
        asked = {
            name: list(items_of(name, files[name], given.language, limit=given.limit, shots=shots).items)
            for name in names
        }
        texts = [
            part for items in asked.values() for i in items for part in (i.question, i.context, *i.choices)
        ]
        make_model(root / "model", texts, given.size)
        (root / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
        found = find_model(str(root / "model"))
        encoder = make_encoder(load_tokenizer(found), str(root / "template.yaml"))
        model = load_model(found, dtype=torch.float32)
        engine = TransformersEngine(model, encoder, "random")
        (root / "tasks").mkdir()
        whole: dict[str, dict[str, str]] = {}

        def rendered(conversation: Conversation) -> str:
            return "".join(segment.text for segment in encoder.renderer.prompt(conversation))

        for name, items in asked.items():
            prompts = [rendered(item.conversation) for item in items]
            ids = encoder.encode_prompts([item.conversation for item in items])
            if encoder.tokenizer(prompts, add_special_tokens=False)["input_ids"] != ids:
                raise SystemExit(f"{name}: the prompts are cut into other tokens")
            whole[name] = {item.id: prompt for item, prompt in zip(items, prompts, strict=True)}
            turns = items[0].conversation[:-1]
            examples = [(rendered(turns[i : i + 1]), turns[i + 1].text) for i in range(0, len(turns), 2)]
            alone = [rendered(item.conversation[-1:]) for item in items]
            make_task(root / "tasks", name, items, alone, examples)
        peer = HFLM(pretrained=str(root / "model"), dtype="float32", device="cpu", batch_size=given.batch)
        manager = TaskManager(include_path=str(root / "tasks"), include_defaults=False)
        results = []
        for name in names:
            tasks = manager.load([f"calque_{name}"])
            times: dict[str, list[float]] = {"ours": [], "theirs": []}
            agreed: dict[str, Any] = {}
            for turn in range(given.repeats):
                out = root / f"{name}-{turn}"
                _, mine = timed(
                    lambda name=name, out=out: evaluate(
                        name, files[name], given.language, engine, model="random", out=out, seed=0,
                        limit=given.limit, max_new_tokens=NEW_TOKENS, shots=shots,
                    ),
                    given.clock,
                )  # fmt: skip
                theirs, other = timed(
                    lambda tasks=tasks: lm_eval.evaluate(peer, tasks, bootstrap_iters=0), given.clock
                )
                agreed = compare(name, out, theirs, whole[name])
                times["ours"].append(mine)
                times["theirs"].append(other)
            ratios = [b / a for a, b in zip(times["ours"], times["theirs"], strict=True)]
            row = {
                "benchmark": name, "items": len(asked[name]), "seconds, calque": statistics.median(times["ours"]),
                "seconds, lm-eval": statistics.median(times["theirs"]), "times as fast": statistics.median(ratios),
                "slowest and fastest turn": (min(ratios), max(ratios)), **agreed,
            }  # fmt: skip
            print(json.dumps(row), flush=True)
            results.append(row)
    if given.out:
        given.out.write_text("".join(json.dumps(row) + "\n" for row in results), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
