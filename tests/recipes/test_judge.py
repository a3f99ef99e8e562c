"""A recipe whose answers are judged by a model behind a real server: told before, asked once, in the report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from tests.loopback import FAULTS, Proxy, served

from calque.errors import EngineError, RecipeError, RunError
from calque.recipes.checking import check
from calque.recipes.judging import ServerModel
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out
from calque.recipes.watch import Silent

KEY = "sk-very-secret-4711"
QUESTIONS = [f"Dimmi qualcosa del numero {i}, in due frasi." for i in range(6)]


class Judge:
    """Likes longer answers, whichever stands first; `broken` requests get no JSON."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.keys: set[str] = set()
        self.broken = False

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        def chat(body: dict[str, Any], request: Request) -> Response:
            text = body["messages"][0]["content"]
            self.asked.append(text)
            self.keys.add(request.headers.get("authorization", ""))
            a = text.split("[Answer A]\n")[1].split("\n[End of answer A]")[0]
            b = text.split("[Answer B]\n")[1].split("\n[End of answer B]")[0]
            said = "A" if len(a) > len(b) else "B" if len(b) > len(a) else "tie"
            content = "Well..." if self.broken else json.dumps({"reason": "longer", "verdict": said})
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            return JSONResponse({"choices": [choice], "usage": usage})

        return app


@pytest.fixture
def judge() -> Judge:
    return Judge()


@pytest.fixture
def judged(project: Path, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The small project with open questions, a server that judges, and answers that are known."""
    monkeypatch.setenv("JUDGE_KEY", KEY)
    lines = [json.dumps({"id": f"o{i}", "text": text}) for i, text in enumerate(QUESTIONS)]
    (project / "open.it.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with served(judge.app()) as url:
        recipe = (project / "recipe.yaml").read_text(encoding="utf-8")
        recipe = recipe.replace("  base: {}\n  en-alpaca: {mix: {en-instructions: all}}\n", "")
        recipe = recipe.replace(
            "  xquad: xquad.{language}.json\n", "  open: open.{language}.jsonl\n  languages: [x]\n"
        )
        recipe += f"""  max_new_tokens: {{open: 24}}
engines:
  big: {{server: "{url}", model: big, key: JUDGE_KEY, concurrency: 4, attempts: 2, price: {{read: 1.0, written: 10.0}}}}
judge: {{by: [big], known: "instructions.{{language}}.json"}}
"""
        (project / "recipe.yaml").write_text(recipe, encoding="utf-8")
        yield project


def run(project: Path, *words: str) -> tuple[Path, dict[str, str], list[str]]:
    done: dict[str, str] = {}
    notes: list[str] = []

    class Listener(Silent):
        def started(self, name: str, why: str) -> None:
            done[name] = why

        def note(self, text: str) -> None:
            notes.append(text)

    prepared = prepare(read_recipe(str(project / "recipe.yaml"), words))
    return carry_out(prepared, project / "run", Listener()).folder, done, notes


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_answers_are_judged_once_and_the_report_says_how(judged: Path, judge: Judge) -> None:
    (told,) = [
        line
        for line in check(str(judged / "recipe.yaml"), ())
        if re.match(r"judge big: [\d,]+ requests, ", line)
    ]
    assert "written at most" in told
    assert told.endswith("; more where an answer holds no verdict and is drawn again")
    assert judge.asked == []
    folder, done, notes = run(judged)
    assert told in notes
    step = "judge-big-x-crossalpaca-it-against-x-alpaca-it-it"
    assert [name for name in done if name.startswith("judge")] == ["judge-big-known-it", step]
    rates = read(folder / "steps" / step / "rates.json")
    assert (rates["n"], rates["decided"], sum(rates["counts"].values())) == (6, 6, 6)
    quality = read(folder / "steps" / "judge-big-known-it" / "quality.json")
    assert quality["kinds"]["cut"]["right"] == 1.0  # the longer one
    assert quality["kinds"]["shuffled"]["right"] < 0.8
    assert quality["usable"] is False
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What judges say" in page
    assert "judge not usable" in page
    assert judge.keys == {f"Bearer {KEY}"}
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path

    asked = len(judge.asked)
    assert len(set(judge.asked)) == asked
    assert run(judged)[1] == {}
    elsewhere = run(judged, "engines.big.concurrency=2", "engines.big.timeout=30", "judge.budget=5.0")
    assert elsewhere[1] == {}
    limited = run(judged, "judge.limit=3")
    assert list(limited[1]) == [step]
    assert read(folder / "steps" / step / "rates.json")["n"] == 3
    assert len(judge.asked) == asked  # all of it was kept


def test_with_thirty_per_cent_faults_every_verdict_arrives_once(judged: Path, judge: Judge) -> None:
    faults = tuple(fault for fault in FAULTS if fault != "stall")  # a busy machine stalls by itself
    proxy = Proxy(share=0.3, faults=faults)
    direct = read_recipe(str(judged / "recipe.yaml"), ()).recipe.engines["big"]
    assert isinstance(direct, ServerModel)
    with served(proxy.app(direct.server)) as front:
        folder, done, _ = run(
            judged, f"engines.big.server={front}", "engines.big.attempts=12", "engines.big.concurrency=32"
        )
    steps = [folder / "steps" / name for name in done if name.startswith("judge")]
    verdicts = [
        json.loads(line)
        for step in steps
        for line in (step / "verdicts.jsonl").read_text("utf-8").splitlines()
    ]
    assert len({row["item"] for row in verdicts}) == len(verdicts) > 6
    assert all(row["winner"] and "failure" not in row for row in verdicts)
    asked = len(judge.asked)
    assert len(set(judge.asked)) == asked, "nothing is asked twice"
    assert set(proxy.met) == set(faults)
    assert proxy.requests == asked + proxy.met.total()
    assert run(judged)[1] == {}


def test_where_no_verdict_comes_the_run_says_so_and_asks_only_that_again(judged: Path, judge: Judge) -> None:
    judge.broken = True
    with pytest.raises(EngineError, match=r"judge big: .* questions have no verdict \(.* × no_verdict\)"):
        run(judged, "judge.known=null")
    judge.broken = False
    before = len(judge.asked)
    folder, done, _ = run(judged, "judge.known=null")
    assert [name for name in done if name.startswith("judge")] == list(done)
    counts = read(folder / "steps" / next(iter(done)) / "counts.json")
    assert counts["kept"] == 6
    assert (
        len(judge.asked) - before
        == 2 * read(folder / "steps" / next(iter(done)) / "rates.json")["counts"]["judged"]
    )


def test_one_budget_holds_for_all_judges_and_steps_and_a_higher_one_goes_on(
    judged: Path, judge: Judge
) -> None:
    """A request costs 200 millionths here: 100 tokens read at 1 and 10 written at 10 a million.

    72 known answers take 144 requests, 0.0288; of the budget of 0.04 so much is left that not all of the next step is paid for.
    """
    recipe = (judged / "recipe.yaml").read_text(encoding="utf-8")
    (engine,) = [line for line in recipe.splitlines() if line.startswith("  big:")]
    second = engine.replace("  big:", "  too:").replace("model: big", "model: too")
    recipe = recipe.replace(engine, f"{engine}\n{second}").replace("by: [big]", "by: [big, too]")
    (judged / "recipe.yaml").write_text(recipe, encoding="utf-8")
    with pytest.raises(RunError, match=r"judge too: what is left of the budget of 0.04 holds for \d+ of 72"):
        run(judged, "judge.budget=0.04")
    asked = len(judge.asked)
    assert 144 < asked <= 200  # 200 × 200 millionths are 0.04
    with pytest.raises(RunError, match=r"what is left of the budget of 0\.04 holds for"):
        run(judged, "judge.budget=0.04")
    assert len(judge.asked) <= 200
    run(judged, "judge.budget=1.0")
    assert len(judge.asked) > 200
    assert len(set(judge.asked)) * 2 == len(judge.asked)  # each of two judges was asked each question once


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["judge.by=[bigg]"], r"no engine 'bigg'(.|\n)*did you mean 'big'"),
        (["evaluate.open=null"], "no open questions"),
        (["comparisons=[]"], "no comparisons to judge"),
        (["judge.budget=3", "engines.big.price=null"], "what big costs is not known"),
        (["judge.known=nothing.json"], "nothing.json"),
        (["engines.big.key=sk-live-1/2"], "key"),
        (["judge.bye=[big]"], "did you mean"),
    ],
)
def test_mistakes_are_told(judged: Path, words: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        prepare(read_recipe(str(judged / "recipe.yaml"), words))


def test_a_model_of_this_process_may_judge_too(judged: Path, tiny_model: Path) -> None:
    """A random model gives no verdict, which is told, and stored as none."""
    assert tiny_model.is_dir()
    words = [
        "engines.own={path: model, template: plain}",
        "judge.by=[own]",
        "judge.known=null",
        "judge.max_new_tokens=4",
    ]
    with pytest.raises(EngineError, match=r"judge own: .* no_verdict"):
        run(judged, *words)
    folder, done, _ = run(judged, *words, "judge.may_fail=1.0")
    assert list(done) == ["judge-own-x-crossalpaca-it-against-x-alpaca-it-it"]
    assert read(folder / "steps" / next(iter(done)) / "counts.json")["dropped"]["no_verdict"] > 0
