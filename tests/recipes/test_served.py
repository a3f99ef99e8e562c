"""A model behind a real server as a system: it answers as it does in this process, each request once, and costs no more than it may."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from tests.conftest import write_json
from tests.loopback import FAULTS, Proxy, Seen, model_app, served

from calque.corpora.json_rows import read_json
from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.transformers_engine import TransformersEngine
from calque.errors import EngineError, RecipeError, RunError
from calque.prompts.encoding import make_encoder
from calque.recipes.checking import check
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare
from calque.recipes.runner import run as carry_out
from calque.recipes.watch import Silent

KEY = "sk-very-secret-1123"
CHOICES = [
    {"premise": "La luce si è spenta.", "choice1": "Era buio.", "choice2": "Era giorno.", "question": "effect",
     "label": 0, "idx": i, "changed": False}
    for i in range(5)
]  # fmt: skip
SYSTEMS = """systems:
  base: {}
  there: {server: "URL", model: tiny, template: plain, key: SERVED_KEY, concurrency: 4, attempts: 9, timeout: 60.0}
"""


@pytest.fixture(scope="module")
def talker(foundry: Any) -> Path:
    """A random model that does write something."""
    made: Path = foundry.model("llama", "bytes-bos")
    return made


@pytest.fixture(scope="module")
def engine(talker: Path) -> TransformersEngine:
    files = ModelFiles("tiny", talker)
    encoder = make_encoder(load_tokenizer(files), "plain")
    return TransformersEngine(load_model(files, dtype=torch.float32), encoder, "tiny")


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def url(engine: TransformersEngine, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("SERVED_KEY", KEY)
    with served(model_app(engine, seen, key=KEY)) as address:
        yield address


@pytest.fixture
def asked(project: Path, talker: Path, url: str) -> Path:
    """The small project with a base model in this process and the same behind a server; nothing is tuned."""
    (project / "model").unlink()
    (project / "model").symlink_to(talker)
    recipe = (project / "recipe.yaml").read_text(encoding="utf-8")
    before, after = recipe.split("systems:")[0], "evaluate:" + recipe.split("evaluate:")[1]
    compared = "comparisons: [[base, there]]\n"
    rows = "\n".join(json.dumps(row | {"premise": f"{row['premise']} {i}"}) for i, row in enumerate(CHOICES))
    (project / "xcopa.it.jsonl").write_text(rows, encoding="utf-8")
    (project / "open.it.jsonl").write_text(json.dumps({"id": "o", "text": "Chi è?"}), encoding="utf-8")
    more = (
        "  xcopa: {it: xcopa.it.jsonl}\n  open: {it: open.it.jsonl}\n  max_new_tokens: {open: 9, xquad: 9}\n"
    )
    text = before + SYSTEMS.replace("URL", url) + compared + after + more
    (project / "recipe.yaml").write_text(text, encoding="utf-8")
    return project


def run(project: Path, *words: str, out: str = "run") -> tuple[Path, list[str], list[str]]:
    done: list[str] = []
    notes: list[str] = []

    class Listener(Silent):
        def started(self, name: str, why: str) -> None:  # noqa: ARG002
            done.append(name)

        def note(self, text: str) -> None:
            notes.append(text)

    prepared = prepare(read_recipe(str(project / "recipe.yaml"), words))
    return carry_out(prepared, project / out, Listener()).folder, done, notes


def answers(folder: Path, system: str, benchmark: str, language: str) -> list[dict[str, Any]]:
    path = folder / "steps" / f"evaluate-{system}-{benchmark}-{language}" / "answers.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def counts(folder: Path, benchmark: str, language: str) -> dict[str, Any]:
    found: dict[str, Any] = read_json(
        folder / "steps" / f"evaluate-there-{benchmark}-{language}" / "counts.json"
    )
    return found


def test_a_served_model_scores_as_the_same_in_this_process_and_is_compared(
    asked: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [line for line in check(str(asked / "recipe.yaml"), ()) if "there" in line]
    assert seen.bodies == []
    # 8 questions of xquad and one open one are answered once; 5 of xcopa take the prompt and two choices each.
    assert told[0].startswith("system there: 24 requests, ")
    assert told[1] == "system there: tiny behind a server, by template plain"
    folder, done, notes = run(asked)
    assert told[0] in notes
    assert done[0].startswith("evaluate-there-")  # before anything else of this kind: faults show early
    for benchmark, language in (("xquad", "it"), ("xquad", "en"), ("open", "it")):
        here, there = (answers(folder, name, benchmark, language) for name in ("base", "there"))
        assert [a["answer"] for a in here] == [a["answer"] for a in there]
    assert any(a["answer"] for a in answers(folder, "there", "xquad", "it"))
    here, there = (answers(folder, name, "xcopa", "it") for name in ("base", "there"))
    for a, b in zip(here, there, strict=True):
        assert b["log_likelihoods"] == pytest.approx(a["log_likelihoods"], abs=1e-4)
    assert len(seen.bodies) == 24
    told_of = counts(folder, "xcopa", "it")["server"]
    assert (told_of["requests"], told_of["tokens"], told_of["unanswered"]) == (15, 15, {})
    assert counts(folder, "xquad", "it")["server"]["requests"] == 4
    manifest = read_json(folder / "manifest.json")
    assert manifest["systems"][1]["served"] == {
        "model": "tiny", "revision": "", "template": "plain", "parameters": {}
    }  # fmt: skip
    assert manifest["comparisons"] == [["base", "there"]]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What servers were asked" in page
    assert "tiny, plain" in page
    for path in folder.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    elsewhere = run(
        asked,
        "systems.there.concurrency=2",
        "systems.there.budget=5",
        "systems.there.price={read: 1, written: 1}",
    )
    assert elsewhere[1] == []
    assert len(seen.bodies) == 24
    with monkeypatch.context() as without:
        without.delenv("SERVED_KEY")
        assert run(asked)[1] == []  # nothing is to be asked, so that no key is needed
    again = run(asked, "systems.there.revision=r2")
    assert {name.split("-")[1] for name in again[1]} == {"there"}
    assert len(seen.bodies) == 48


def test_by_chat_it_is_asked_what_it_can_be(asked: Path, seen: Seen) -> None:
    folder, _, notes = run(asked, "systems.there.template=chat")
    assert any(
        note.startswith("there is not asked xcopa: its server tells no log-likelihoods") for note in notes
    )
    assert not (folder / "steps" / "evaluate-there-xcopa-it").exists()
    assert (folder / "steps" / "evaluate-base-xcopa-it").exists()
    assert any(a["answer"] for a in answers(folder, "there", "xquad", "it"))
    assert {"messages" in body for body in seen.bodies} == {True}
    with pytest.raises(
        RecipeError, match=r"systems\.there: is asked nothing: xcopa take log-likelihoods(.|\n)*echo"
    ):
        prepare(
            read_recipe(
                str(asked / "recipe.yaml"),
                ["systems.there.echo=false", "evaluate.xquad=null", "evaluate.open=null"],
            )
        )


def test_with_thirty_per_cent_faults_every_answer_arrives_once(asked: Path, url: str, seen: Seen) -> None:
    straight, _, _ = run(asked, out="straight")
    seen.bodies.clear()
    proxy = Proxy(
        share=0.3, stall=0.5
    )  # a stall ends in a 504: real answers must not run out of time on a busy machine
    with served(proxy.app(url)) as front:
        folder, _, _ = run(asked, f"systems.there.server={front}", out="faults")
    assert set(proxy.met) == set(FAULTS)
    assert len(seen.bodies) == 24
    assert proxy.requests == 24 + sum(proxy.met.values())
    for step in ("xquad-it", "xquad-en", "open-it", "xcopa-it"):
        ours, theirs = (f / "steps" / f"evaluate-there-{step}" for f in (straight, folder))
        for name in ("answers.jsonl", "scores.jsonl", "counts.json", "unanswered.jsonl"):
            assert (ours / name).read_bytes() == (theirs / name).read_bytes(), (step, name)


class Wilful:
    """Says the same to everything, refuses what holds one of `bad`, and fails when it is `down`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.bad: tuple[str, ...] = ()
        self.down: tuple[str, ...] = ()
        self.why = "not by our policy"
        self.long = 99  # turns of examples for which there is no room

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/chat/completions")
        def chat(body: dict[str, Any]) -> Response:
            text = body["messages"][-1]["content"]
            if sum(message["role"] == "assistant" for message in body["messages"]) >= self.long:
                return JSONResponse(
                    {"error": {"code": "context_length_exceeded", "message": "too long"}}, 400
                )
            if any(word in text for word in self.bad):
                return JSONResponse({"error": {"message": self.why}}, 400)
            if any(word in text for word in self.down):
                return JSONResponse({"error": {"message": "overloaded"}}, 503)
            self.asked.append(text)
            choice = {"message": {"content": "il cane"}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            return JSONResponse({"choices": [choice], "usage": usage})

        return app


@pytest.fixture
def wilful(project: Path) -> Iterator[tuple[Path, Wilful]]:
    """No base model at all: one served system, 24 questions."""
    model = Wilful()
    data = {"version": "1.1", "data": []}
    paragraphs = [
        {
            "context": f"il cane {i}",
            "qas": [{"id": f"q{i}", "question": "Chi?", "answers": [{"text": "il cane", "answer_start": 0}]}],
        }
        for i in range(24)
    ]
    data["data"] = [{"title": "t", "paragraphs": paragraphs}]  # type: ignore[list-item]
    write_json(project / "xquad.it.json", data)
    with served(model.app()) as url:
        recipe = f"""name: served
languages: [it]
sources: {{}}
demonstrate: {{}}
systems:
  gpt: {{server: "{url}", model: gpt, concurrency: 1, attempts: 1, price: {{read: 1.0, written: 10.0}}}}
evaluate: {{languages: [x], xquad: "xquad.{{language}}.json"}}
"""
        (project / "recipe.yaml").write_text(recipe, encoding="utf-8")
        yield project, model


def test_without_a_base_model_what_is_refused_counts_as_wrong_as_long_as_it_is_little(
    wilful: tuple[Path, Wilful],
) -> None:
    project, model = wilful
    model.bad = ("cane 7",)
    with pytest.raises(
        EngineError, match=r"systems.gpt: 1 of 24 questions were not answered \(1 × refused\).*policy"
    ):
        run(project)
    folder, _, _ = run(project, "systems.gpt.may_fail=0.05")
    step = folder / "steps" / "evaluate-gpt-xquad-it"
    assert read_json(step / "counts.json")["server"] == {
        "requests": 24, "prompt_tokens": 2300, "tokens": 230, "unanswered": {"refused": 1}
    }  # fmt: skip
    assert json.loads((step / "unanswered.jsonl").read_text(encoding="utf-8"))["item"] == "q7"
    scores = [json.loads(line) for line in (folder / "scores.jsonl").read_text(encoding="utf-8").splitlines()]
    exact = next(row for row in scores if row["metric"].startswith("exact"))
    assert (exact["n"], exact["answered"], exact["value"]) == (24, 23, pytest.approx(23 / 24))
    assert read_json(folder / "manifest.json")["model"] == {}
    assert "refused" in (folder / "report.html").read_text(encoding="utf-8")


def test_a_prompt_that_is_too_long_is_noted_as_of_a_model_in_this_process(
    wilful: tuple[Path, Wilful],
) -> None:
    project, model = wilful
    model.bad, model.why = (
        ("cane 7", "cane 1"),
        "This model's maximum context length is 4096 tokens. However, you ...",
    )
    folder, _, _ = run(project)
    counts_ = read_json(folder / "steps" / "evaluate-gpt-xquad-it" / "counts.json")
    assert counts_["notes"] == {"prompt_too_long": 12}  # 1, 10 to 19 and 7
    assert counts_["server"]["unanswered"] == {}


def test_what_is_refused_with_fewer_examples_is_told_by_its_item(wilful: tuple[Path, Wilful]) -> None:
    """The server has no room for two examples; the question with one is refused for a single item."""
    project, model = wilful
    model.long, model.bad = 2, ("cane 7",)
    folder, _, _ = run(
        project, "evaluate.shots=2", "evaluate.examples={xquad: asked}", "systems.gpt.may_fail=0.1"
    )
    step = folder / "steps" / "evaluate-gpt-xquad-it"
    rows = [json.loads(line) for line in (step / "unanswered.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["item"], row["reason"]) for row in rows] == [("q7", "refused")]
    scores = (step / "scores.jsonl").read_text(encoding="utf-8")
    assert "|examples_as:turns|" in scores  # which is how a server with a chat template is shown them
    kept = read_json(step / "counts.json")["kept"]
    assert read_json(step / "counts.json")["notes"] == {"fewer_examples": kept}


def test_what_failed_for_a_time_ends_the_run_and_is_alone_asked_again(wilful: tuple[Path, Wilful]) -> None:
    project, model = wilful
    model.down = ("cane 9", "cane 3")
    with pytest.raises(
        EngineError, match=r"2 of 24 questions were not answered \(2 × status_503\).*overloaded"
    ):
        run(project, "systems.gpt.may_fail=1.0")
    assert len(model.asked) == 22
    model.down = ()
    run(project)
    assert len(model.asked) == 24
    assert sorted(text for text in model.asked[22:] if "cane 9" in text or "cane 3" in text) == sorted(
        model.asked[22:]
    )


def test_a_budget_stops_it_and_a_higher_one_goes_on(wilful: tuple[Path, Wilful]) -> None:
    """An answer costs 200 millionths. The first portion goes by the room for an answer, 32 tokens and some; then by the mean."""
    project, model = wilful
    with pytest.raises(
        RunError, match=r"systems.gpt: what is left of the budget of 0.002 holds for \d+ of 24"
    ):
        run(project, "systems.gpt.budget=0.002")
    asked = len(model.asked)
    assert 5 <= asked <= 10  # ten would cost all of it
    run(project, "systems.gpt.budget=1")
    assert len(model.asked) == len(set(model.asked)) == 24


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["systems.gpt.modle=x"], "no setting 'systems.gpt.modle'(.|\n)*did you mean 'model'"),
        (["systems.gpt.mix={}"], "no setting 'systems.gpt.mix'"),
        (["systems.gpt.price=null", "systems.gpt.budget=3"], "what it costs is not known"),
        (["systems.gpt.template=plain", "systems.gpt.answers=[chat]"], "two turns do not go by a template"),
        (
            ["evaluate.shots=1", "evaluate.examples_as=text"],
            "a server with a chat template takes turns alone",
        ),
        (["systems.gpt.server=here/v1"], "no address of a server"),
        (
            ["systems.gpt.template=plain", "evaluate.shots=1", "evaluate.examples_as=turns"],
            "examples as turns do not go",
        ),
        (["systems.base={}"], "'model' is missing"),
        (["systems.new={mix: {}, starts_from: {system: gpt}}"], "gpt is not tuned"),
    ],
)
def test_mistakes_are_told(wilful: tuple[Path, Wilful], words: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        prepare(read_recipe(str(wilful[0] / "recipe.yaml"), words))


def test_a_password_in_an_address_is_refused_and_not_repeated(wilful: tuple[Path, Wilful]) -> None:
    recipe = wilful[0] / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    recipe.write_text(text.replace("http://", "http://me:hunter2@"), encoding="utf-8")
    with pytest.raises(
        RecipeError, match=r"must hold no password(.|\n)*name an environment variable"
    ) as error:
        prepare(read_recipe(str(recipe), ()))
    assert "hunter2" not in str(error.value)


def test_a_key_that_is_not_set_is_told_before_anything_is_asked(wilful: tuple[Path, Wilful]) -> None:
    project, model = wilful
    for do in (run, lambda folder, word: list(check(str(folder / "recipe.yaml"), [word]))):
        with pytest.raises(RecipeError, match=r"NO_SUCH_KEY, which should hold the server's key, is not set"):
            do(project, "systems.gpt.key=NO_SUCH_KEY")
    assert model.asked == []


def test_calque_evaluate_takes_a_server_in_place_of_a_model(project: Path, url: str, seen: Seen) -> None:
    (project / "data").mkdir()
    for language in ("it", "en"):
        (project / f"xquad.{language}.json").rename(project / "data" / f"xquad.{language}.json")
    words = [
        "--suite",
        "crossalpaca",
        "--language",
        "it",
        "--server",
        url,
        "--model",
        "org/tiny",
        "--key",
        "SERVED_KEY",
    ]
    calque = [sys.executable, "-m", "calque", "evaluate"]
    done = subprocess.run([*calque, *words], cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "xquad" in done.stdout
    assert "(org/tiny, chat): 8 requests" in done.stdout
    assert len(seen.bodies) == 8
    assert (project / "runs" / "tiny-crossalpaca" / "scores.jsonl").is_file()
    for more, said in (
        (["--server", url], "one model is to be named"),
        (["model", "--server", url, "--model", "m"], "one model is to be named"),
        (["--server", "http://a:hunter2@b/v1", "--model", "m"], "must hold no password"),
    ):
        wrong = subprocess.run(
            [*calque, "--language", "it", *more], cwd=project, capture_output=True, text=True, check=False
        )
        assert wrong.returncode == 2
        assert said in wrong.stderr
        assert "hunter2" not in wrong.stderr
