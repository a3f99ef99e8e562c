"""The lab's open questions, answered by its real base and by a server that knows the truth, and judged by both.

The base behind a server is a judge in form only: it writes no verdict, fails on known answers, and is shown so. The one that
knows the truth passes, and its verdicts are the truth.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from tests.loopback import Seen, model_app, served

from calque.corpora.json_rows import read_json
from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.transformers_engine import TransformersEngine
from calque.lab.files import alpaca, shipped_base, world_of
from calque.lab.lexicon import lexicon
from calque.lab.sets import evaluation_sets, instruction_tasks
from calque.prompts.encoding import make_encoder
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare, run
from calque.reports.folder import read_run
from calque.reports.judges import judges

QUESTIONS, KNOWN = 12, 5


def completion(text: str) -> Response:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return JSONResponse({"choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 9}})


class Truth:
    """Answers questions rightly, but every third with nonsense; judges by what is right."""

    def __init__(self, right: dict[str, str]) -> None:
        self.right = right
        self.order = list(right)
        self.shown: list[tuple[str, str, str]] = []

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        def chat(body: dict[str, Any]) -> Response:
            text = body["messages"][-1]["content"]
            return completion(self.judged(text) if "[Answer A]" in text else self.answer(text))

        return app

    def answer(self, question: str) -> str:
        return (
            self.right[question] if self.order.index(question) % 3 else "Non lo so dire, mi dispiace tanto."
        )

    def judged(self, text: str) -> str:
        question = next(q for q in sorted(self.right, key=len, reverse=True) if q in text)
        a = text.split("[Answer A]\n")[1].split("\n[End of answer A]", maxsplit=1)[0]
        b = text.split("[Answer B]\n")[1].split("\n[End of answer B]", maxsplit=1)[0]
        self.shown.append((question, a, b))
        good = [self.right[question] == one for one in (a, b)]
        said = "tie" if good[0] == good[1] else "A" if good[0] else "B"
        return json.dumps({"reason": "it is true", "verdict": said})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Path, Truth]]:
    world, words = world_of(seed=0), lexicon("it")
    tasks = {i: t for i, t in evaluation_sets(world)["open"].items() if t.kind == "memory"}
    asked = {
        i: "\n".join(p for p in (t.instruction(words), t.question(words)) if p)
        for i, t in list(tasks.items())[:QUESTIONS]
    }
    right = {text: tasks[i].answer(words) for i, text in asked.items()}
    rows = [json.dumps({"question_id": i, "category": "recall", "text": text}) for i, text in asked.items()]
    (tmp_path / "open.it.jsonl").write_text("\n".join(rows), encoding="utf-8")
    long = [t for t in instruction_tasks(world) if len(t.answer(words).split()) > 8][:KNOWN]
    for code in ("it", "en"):
        known = [alpaca(task, lexicon(code)) for task in long]
        (tmp_path / f"known.{code}.json").write_text(json.dumps(known), encoding="utf-8")
        if code == "it":
            right |= {"\n\n".join(p for p in (r["instruction"], r["input"]) if p): r["output"] for r in known}
    truth = Truth(right)
    files = ModelFiles("base", shipped_base())
    base = TransformersEngine(
        load_model(files, dtype=torch.float32), make_encoder(load_tokenizer(files), "plain"), "base"
    )
    with served(truth.app()) as knows, served(model_app(base, Seen())) as own:
        (tmp_path / "recipe.yaml").write_text(
            f"""name: judged
languages: [it]
sources: {{}}
demonstrate: {{}}
systems:
  base: {{server: "{own}", model: base}}
  right: {{server: "{knows}", model: truth}}
comparisons: [[base, right]]
evaluate: {{languages: [x], open: "open.{{language}}.jsonl", max_new_tokens: {{open: 12}}}}
engines:
  truth: {{server: "{knows}", model: truth-judge}}
  base: {{server: "{own}", model: base}}
judge: {{by: [truth, base], known: "known.{{language}}.json", max_new_tokens: 12}}
""",
            encoding="utf-8",
        )
        yield tmp_path, truth


def test_a_judge_that_knows_the_truth_counts_and_a_real_model_that_does_not_is_shown_so(
    world: tuple[Path, Truth],
) -> None:
    folder, truth = world
    out = run(prepare(read_recipe(str(folder / "recipe.yaml"), ())), folder / "run").folder
    quality = {
        name: read_json(out / "steps" / f"judge-{name}-known-it" / "quality.json")
        for name in ("truth", "base")
    }
    assert quality["truth"]["usable"] is True
    assert {kind: row["right"] for kind, row in quality["truth"]["kinds"].items()} == {
        "shuffled": 1.0, "other_language": 1.0, "cut": 1.0
    }  # fmt: skip
    assert quality["base"]["usable"] is False
    assert {row["right"] for row in quality["base"]["kinds"].values()} == {0.0}

    step = out / "steps" / "judge-truth-right-against-base-it"
    verdicts = [
        json.loads(line) for line in (step / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    answers = {}
    for name in ("base", "right"):
        path = out / "steps" / f"evaluate-{name}-open-it" / "answers.jsonl"
        answers[name] = {
            row["id"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())
        }
    for row in verdicts:
        if row["why"] == "judged":
            theirs = answers["right"][row["item"]]
            ours = answers["base"][row["item"]]
            good = [truth.right[a["question"]] == a["answer"] for a in (ours, theirs)]
            assert row["winner"] == ("tie" if good[0] == good[1] else "first" if good[0] else "second")
    put = [row for row in verdicts if row["why"] == "judged"]
    assert {row["winner"] for row in put} >= {"second"}
    assert not [row for row in verdicts if row["why"] == "flipped"]
    # Each pair was shown in both orders.
    pairs = {(q, frozenset((a, b))) for q, a, b in truth.shown}
    assert {(q, b, a) for q, a, b in truth.shown} == set(truth.shown)
    assert len(truth.shown) == 2 * len(pairs)

    unusable = out / "steps" / "judge-base-right-against-base-it"
    assert read_json(unusable / "rates.json")["failures"].keys() == {"no_verdict"}
    found = judges(read_run(out))
    assert found is not None
    assert {(row.judge, row.usable) for row in found.rows} == {("truth", True), ("base", False)}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "not usable" in page
    assert "usable</td>" in page
