"""Two judges that differ in known ways, on answers that are known: each one's verdicts, and how far they agree, by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from tests.loopback import served

from calque.errors import RecipeError
from calque.evaluation.verdicts import response_format
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare, run
from calque.reports.folder import read_run
from calque.reports.judges import judges

# For each question the answers of two systems. `longer` prefers the longer one; `calm` the one with fewer exclamation marks.
ANSWERS = {
    "Uno?": ("Sì.", "Sì, è proprio così."),  # longer: second; calm: tie
    "Due?": ("No!!!", "No, non è così."),  # second; second
    "Tre?": ("Forse!", "Forse domani, chi lo sa."),  # second; second
    "Quattro?": ("Certo, se lo dici tu!", "Certo."),  # first; second
    "Cinque?": ("Mai, in tutta la mia vita.", "Mai!"),  # first; first
    "Sei?": ("Ecco!", "Vero!"),  # tie; tie
}


def longer(a: str, b: str) -> str:
    return "A" if len(a) > len(b) else "B" if len(b) > len(a) else "tie"


def calm(a: str, b: str) -> str:
    return longer("x" * b.count("!"), "x" * a.count("!"))


def app_of(said: Callable[[str], str]) -> FastAPI:
    app = FastAPI()
    app.state.forms = []

    @app.post("/v1/chat/completions")
    def chat(body: dict[str, Any]) -> Response:
        app.state.forms.append(body.get("response_format"))
        choice = {"message": {"content": said(body["messages"][-1]["content"])}, "finish_reason": "stop"}
        return JSONResponse({"choices": [choice], "usage": {"prompt_tokens": 50, "completion_tokens": 9}})

    return app


def judging(prefers: Callable[[str, str], str]) -> Callable[[str], str]:
    def said(text: str) -> str:
        a, b = (
            text.split(f"[Answer {name}]\n")[1].split(f"\n[End of answer {name}]", maxsplit=1)[0]
            for name in "AB"
        )
        return json.dumps({"reason": "so it is", "verdict": prefers(a, b)})

    return said


@pytest.fixture
def apps() -> list[FastAPI]:
    """Two that answer, two that judge."""
    answering = [app_of(lambda text, i=i: ANSWERS[text][i]) for i in (0, 1)]  # type: ignore[misc]
    return [*answering, app_of(judging(longer)), app_of(judging(calm))]


@pytest.fixture
def folder(tmp_path: Path, apps: list[FastAPI]) -> Iterator[Path]:
    rows = [json.dumps({"id": f"q{i}", "text": text}) for i, text in enumerate(ANSWERS, start=1)]
    (tmp_path / "open.it.jsonl").write_text("\n".join(rows), encoding="utf-8")
    with (
        served(apps[0]) as one,
        served(apps[1]) as two,
        served(apps[2]) as by_length,
        served(apps[3]) as by_calm,
    ):
        (tmp_path / "recipe.yaml").write_text(
            f"""name: judges
languages: [it]
sources: {{}}
demonstrate: {{}}
systems:
  first: {{server: "{one}", model: first}}
  second: {{server: "{two}", model: second}}
comparisons: [[first, second]]
evaluate: {{languages: [x], open: "open.{{language}}.jsonl"}}
engines:
  longer: {{server: "{by_length}", model: longer}}
  calm: {{server: "{by_calm}", model: calm}}
judge: {{by: [longer, calm]}}
""",
            encoding="utf-8",
        )
        yield tmp_path


def test_two_judges_agree_as_far_as_worked_out_by_hand(folder: Path) -> None:
    out = run(prepare(read_recipe(str(folder / "recipe.yaml"), ())), folder / "run").folder
    said = {}
    for name in ("longer", "calm"):
        path = out / "steps" / f"judge-{name}-second-against-first-it" / "verdicts.jsonl"
        rows = sorted(
            map(json.loads, path.read_text(encoding="utf-8").splitlines()), key=lambda row: row["item"]
        )
        assert {row["why"] for row in rows} == {"judged"}
        said[name] = [row["winner"] for row in rows]
    assert said["longer"] == ["second", "second", "second", "first", "first", "tie"]
    assert said["calm"] == ["tie", "second", "second", "second", "first", "tie"]
    found = judges(read_run(out))
    assert found is not None
    rates = {row.judge: row.win_rate.value for row in found.rows}
    assert rates == {"longer": pytest.approx(3.5 / 6), "calm": pytest.approx(4 / 6)}
    # Of 12 values 6 are `second`, 3 `first`, 3 `tie`; two of six pairs differ. Observed disagreement 4/12; expected, of 12 · 11
    # ordered pairs of values, 2 · (6·3 + 6·3 + 3·3) = 90. Alpha = 1 - (4/12) / (90/132) = 0.5111.
    ((first, second, language, alpha),) = found.agreement
    assert (first, second, language, alpha.units) == ("first", "second", "it", 6)
    assert alpha.value == pytest.approx(1 - (4 / 12) / (90 / 132))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "the judges agree with Krippendorff’s α of 0.51" in page


def test_servers_are_held_to_the_form_of_a_verdict_where_the_recipe_says_so(
    folder: Path, apps: list[FastAPI]
) -> None:
    recipe = str(folder / "recipe.yaml")
    run(prepare(read_recipe(recipe, ())), folder / "run")
    run(prepare(read_recipe(recipe, ["judge.structured=true"])), folder / "run")
    for app in apps[2:]:
        assert app.state.forms[:12] == [None] * 12
        schema = app.state.forms[12]["json_schema"]["schema"]
        assert app.state.forms[12:] == [app.state.forms[12]] * 12
        assert list(schema["properties"]) == schema["required"] == ["reason", "verdict"]
        assert schema["properties"]["verdict"]["enum"] == ["A", "B", "tie"]
    for app in apps[:2]:
        assert app.state.forms == [None] * 6
    with pytest.raises(RecipeError, match="own is in this process, and can be held to no form"):
        prepare(read_recipe(recipe, ["judge.structured=true", "engines.own={path: x}", "judge.by=[own]"]))


def test_a_single_rating_is_held_to_its_range() -> None:
    schema = response_format("single")["json_schema"]["schema"]
    assert schema["properties"]["rating"] == {"type": "integer", "minimum": 1, "maximum": 10}
    assert schema["required"] == ["reason", "rating"]
