"""Rounds of refinement in which other models write, answer or rate: behind a server with faults, and in this process."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from tests.loopback import FAULTS, Proxy, Seen, model_app, served
from tests.recipes.test_rounds import LOOSE, words

from calque.errors import DataError, EngineError, RecipeError, RunError
from calque.recipes.checking import check
from calque.recipes.reading import read_recipe
from calque.recipes.runner import Prepared, prepare, run

PASSAGES = 36
SMALL = (
    *LOOSE,
    "curate.refine.rounds=1",
    "curate.refine.score_rounds=false",
    *(f"systems.{name}=null" for name in ("base", "random", "unfiltered", "seed-alone")),
    "comparisons=[]",
)


class Writer:
    """Writes an instruction for every text, as a chat model would; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.broken: set[str] = set()  # texts of which nothing is made

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        def chat(body: dict[str, Any]) -> Response:
            text = body["messages"][0]["content"]
            if any(part in text for part in self.broken):
                return JSONResponse({"error": "no"}, 500)
            self.asked.append(body)
            animal = re.search(r"\b(cane|gatto|mucca|lupo)\b.*?(bosco|monte|città).*?(\d)", text, re.DOTALL)
            said = " ".join(animal.groups()) if animal else str(len(text))
            content = (
                f'<think>Hm.</think>\n**Instruction:** "Tell me about the animal called {said}, please."'
            )
            usage = {"prompt_tokens": 1000, "completion_tokens": 100}
            choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            return JSONResponse({"choices": [choice], "usage": usage})

        return app


@pytest.fixture
def writer() -> Writer:
    return Writer()


@pytest.fixture
def address(writer: Writer) -> Iterator[str]:
    with served(writer.app()) as url:
        yield url


def prepared(project: Path, *more: str) -> Prepared:
    name, *given = words(project)
    return prepare(read_recipe(name, [*given, *SMALL, *more]))


def engine(url: str, **settings: Any) -> list[str]:
    said = {"server": url, "model": "strong", "concurrency": 4, "attempts": 4, "timeout": 60.0, **settings}
    return [f"engines.big={json.dumps(said)}", "curate.refine.writing.engine=big"]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def counts(project: Path) -> dict[str, Any]:
    manifest = json.loads((project / "run/manifest.json").read_text("utf-8"))
    return {step["name"]: step["counts"] for step in manifest["steps"]}


def test_a_strong_model_behind_a_bad_line_writes_every_instruction_once(
    project: Path, writer: Writer, address: str
) -> None:
    faults = tuple(fault for fault in FAULTS if fault != "stall")  # a busy machine stalls by itself
    proxy = Proxy(share=0.3, faults=faults)
    with served(proxy.app(address)) as front:
        made = [*engine(front, attempts=12), "curate.refine.middle=generator"]
        found = prepared(project, *made)
        names = [step.name for step in found.steps]
        assert "tune-generator" not in names
        assert "answer-by-big-it" in names
        outcome = run(found, project / "run")
        assert set(proxy.met) == set(faults)
    assert outcome.done == len(found.steps)
    told = counts(project)
    assert told["generate-it"] == {"rows": PASSAGES, "kept": PASSAGES, "dropped": {}}
    candidates = rows(project / "run/steps/generate-it/candidates.jsonl")
    assert candidates[0]["instruction"] == "Tell me about the animal called cane bosco 0, please."
    assert len({row["instruction"] for row in candidates}) == PASSAGES
    asked = Counter(json.dumps(body["messages"]) for body in writer.asked)
    assert set(asked.values()) == {1}, "nothing is asked twice"
    assert len(asked) == PASSAGES + told["answer-by-big-it"]["kept"]
    assert writer.asked[0]["temperature"] == 0.0
    assert "Reply with the instruction alone" in writer.asked[0]["messages"][0]["content"]
    page = (project / "run/report.html").read_text("utf-8")
    assert "strong writes the instructions, in place of a generator that is tuned on the seed" in page

    with served(writer.app()) as elsewhere:  # neither the address nor the pace is part of an answer
        made = [*engine(elsewhere, concurrency=2, timeout=90.0), "curate.refine.middle=generator"]
        assert run(prepared(project, *made), project / "run").done == 0
        made = [*made, "curate.refine.writing.instruction_tokens=25"]
        run(prepared(project, *made), project / "run")
    assert len(writer.asked) == 2 * len(asked)


def test_what_is_not_answered_is_no_instruction_and_alone_asked_again(
    project: Path, writer: Writer, address: str
) -> None:
    writer.broken = {"la mucca vive nel bosco da 1", "la mucca vive nel bosco da 2"}
    made = [*engine(address, attempts=1), "curate.refine.answering={engine: big, temperature: 0.7}"]
    with pytest.raises(
        EngineError, match=r"engine big: 2 of 36 requests were not answered \(2 × status_500\)"
    ):
        run(prepared(project, *made), project / "run")
    assert len(writer.asked) == PASSAGES - 2
    enough = ("curate.refine.writing.may_fail=0.1", "demonstrate.refined.count=40")
    run(prepared(project, *made, *enough), project / "run")
    refined = counts(project)["select-refined-it"]
    assert (refined["kept"], refined["asked_for"], refined["dropped"]) == (34, 40, {})
    notes = json.loads((project / "run/manifest.json").read_text("utf-8"))["notes"]
    assert notes[-1] == "select-refined-it: 40 are asked for, and all 34 that there are were taken"
    assert counts(project)["generate-it"] == {"rows": 36, "kept": 34, "dropped": {"status_500": 2}}
    dropped = rows(project / "run/steps/generate-it/dropped.jsonl")
    assert [row["reason"] for row in dropped] == ["status_500", "status_500"]
    assert dropped[0]["raw"].startswith("la mucca")
    answers = writer.asked[PASSAGES - 2 :]
    assert len(answers) == counts(project)["answer-by-big-it"]["kept"] == 12, "the others are not asked again"
    assert {body["temperature"] for body in answers} == {0.7}
    assert all("as an assistant would" in body["messages"][0]["content"] for body in answers)


def test_a_budget_ends_it_and_a_higher_one_goes_on(project: Path, writer: Writer, address: str) -> None:
    """A thousand tokens read and a hundred written at 1 and 10 a million: 0.002 a request.

    After the first 16, of what is left of 0.04 a tenth is kept back: 3 more.
    """
    price = {"read": 1.0, "written": 10.0}
    made = engine(address, price=price)
    lines = list(check(words(project)[0], [*words(project)[1:], *SMALL, *made], everything=True))
    (told,) = [line for line in lines if line.startswith("engine big writes instructions: ")]
    assert told.startswith("engine big writes instructions: 36 requests, ")
    assert "; cost at most 0.0" in told
    assert writer.asked == []
    with pytest.raises(RunError, match=r"the budget of 0\.04 holds for 19 of 36 requests"):
        run(prepared(project, *made, "curate.refine.writing.budget=0.04"), project / "run")
    assert len(writer.asked) == 19
    run(prepared(project, *made, "curate.refine.writing.budget=0.08"), project / "run")
    assert len(writer.asked) == PASSAGES


def test_a_rater_behind_a_server_gives_the_ratings_that_it_gives_here(project: Path, foundry: Any) -> None:
    import torch

    from calque.engines.loading import find_model, load_model, load_tokenizer
    from calque.engines.transformers_engine import TransformersEngine
    from calque.prompts.encoding import make_encoder

    folder = foundry.model(tokenizer="bytes")
    files = find_model(str(folder))
    model: Any = load_model(files, dtype=torch.float32, device="cpu")
    rater = TransformersEngine(model, make_encoder(load_tokenizer(files), "plain"), "rater")
    seen = Seen()
    rated = {}
    with served(model_app(rater, seen)) as url:
        server = {"server": url, "model": "rater", "template": "plain"}
        here = {"path": str(folder), "template": "plain"}
        for place, said in (("run", server), ("here", here)):
            made = [f"engines.rater={json.dumps(said)}", "curate.refine.rating.engine=rater"]
            found = prepared(project, *made)
            assert not [step.name for step in found.steps if "evaluator" in step.name]
            run(found, project / place)
            ratings = rows(project / place / "steps/rate-1-it/ratings.jsonl")
            rated[place] = {row["id"]: row["rating"] for row in ratings}
    assert rated["run"].keys() == rated["here"].keys()
    assert len(rated["run"]) > 5
    assert all(abs(rated["here"][id_] - value) < 1e-4 for id_, value in rated["run"].items())
    assert len({body["prompt"] for body in seen.bodies}) == len(seen.bodies)


def test_a_rater_in_a_chat_rates_by_the_tokens_that_are_told_and_never_guesses(project: Path) -> None:
    """Half 3 and half 2, so 2.5; of texts on the wood none of the three is told, and they have no rating."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any]) -> Response:
        silent = "bosco" in body["messages"][0]["content"].partition("Response: ")[2]
        told = [("I", -0.1)] if silent else [("3", -0.9), (" 2", -0.9), ("Good", -1.6)]
        likeliest = [{"token": token, "logprob": value} for token, value in told]
        choice = {"message": {"content": told[0][0]}, "finish_reason": "length"}
        return JSONResponse({"choices": [{**choice, "logprobs": {"content": [{"top_logprobs": likeliest}]}}]})

    with served(app) as url:
        made = [
            f"engines.rater={json.dumps({'server': url, 'model': 'm'})}",
            "curate.refine.rating.engine=rater",
        ]
        with pytest.raises(
            EngineError, match=r"× no_probability\)(.|\n)*none of 1, 2, 3 is among the 1 likeliest"
        ):
            run(prepared(project, *made), project / "run")
        run(prepared(project, *made, "curate.refine.rating.may_fail=0.5"), project / "run")
    responses = {
        row["id"]: row["response"] for row in rows(project / "run/steps/generate-it/candidates.jsonl")
    }
    woods = {id_ for id_, text in responses.items() if "bosco" in text}
    ratings = {row["id"]: row["rating"] for row in rows(project / "run/steps/rate-1-it/ratings.jsonl")}
    assert woods
    assert ratings == {id_: None if id_ in woods else 2.5 for id_ in responses}
    assert counts(project)["rate-1-it"]["dropped"] == {"no_probability": len(woods)}


def test_a_passage_that_holds_what_is_asked_is_refused_or_dropped_once_it_is_a_candidate(
    project: Path, address: str
) -> None:
    asked = (
        "Spiega a un bambino di otto anni perché il cielo di notte è buio anche se le stelle che brillano lassù sono "
        "tante quante i granelli di sabbia di una spiaggia."
    )
    (project / "open.it.jsonl").write_text(json.dumps({"id": 1, "text": asked}) + "\n", encoding="utf-8")
    given = [*engine(address), f"evaluate.open={project}/open.{{language}}.jsonl"]
    name, *rest = words(project)
    with (project / "texts.jsonl").open("a", encoding="utf-8") as texts:
        texts.write(json.dumps({"text": f"Il maestro disse: {asked} Poi tacque."}) + "\n")

    def made(*more: str) -> Prepared:
        return prepare(read_recipe(name, [*rest, *SMALL, *given, *more]))

    with pytest.raises(DataError, match=r"texts.jsonl:37: 1 row holds a question of open in it"):
        run(made(), project / "run")
    assert not list((project / "run/steps").glob("tune-*")), "it is found before anything is tuned"
    run(made("contamination.when_found=drop", "demonstrate.refined.count=1.0"), project / "run")
    told = counts(project)
    assert told["contamination-candidates"]["dropped"] == {"contaminated": 1}
    assert told["select-refined-it"]["kept"] == 37
    assert told["mix-xinstruction"]["dropped"]["contaminated"] == 1
    page = (project / "run/report.html").read_text("utf-8")
    assert "37 rows of candidates" in page


def test_a_key_that_is_not_set_is_told_before(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIG_KEY", raising=False)
    name, *rest = words(project)
    with pytest.raises(RecipeError, match="BIG_KEY, which should hold the server's key, is not set"):
        list(check(name, [*rest, *SMALL, *engine("http://127.0.0.1:1/v1", key="BIG_KEY")]))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["curate.refine.writing.engine=bg"], r"there is no engine 'bg'(.|\n)*did you mean 'big'"),
        (
            ["curate.refine.rating.engine=big", "engines.big.template=plain", "engines.big.echo=false"],
            r"without echo(.|\n)*leave engines.big.template out",
        ),
        (["curate.refine.answering={engine: big, budget: 1}"], "what big costs is not known"),
        (["curate.refine.writing={budget: 1}"], "there is no engine to pay for"),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(project: Path, given: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        prepared(project, "engines.big={server: 'http://127.0.0.1:1/v1', model: m}", *given)
