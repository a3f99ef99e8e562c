"""Suites: official files found by their names, a recipe made of them, and the command that carries it out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calque.errors import DataError
from calque.evaluation.benchmarks import BENCHMARKS
from calque.recipes.official_files import OFFICIAL, SUITES, find
from calque.recipes.suites import look, recipe_of


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")


def test_suites_name_benchmarks_that_are_there() -> None:
    assert set(OFFICIAL) <= set(BENCHMARKS)
    assert {name for names in SUITES.values() for name in names} == set(OFFICIAL)


def test_files_are_found_by_the_names_that_they_usually_have(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "mlqa/dev-context-ar-question-zh.json.gz", "mlqa/dev-context-zh-question-zh.json", "mlqa/dev-context-zh-question-ar.json",
        "x/belebele/zho_Hans.jsonl", "belebele/th_belebele.seahelm.jsonl.gz", "vicuna80/questions_Deutsch.jsonl",
        "exams/multilingual-dev.jsonl.tar.gz", "xcopa/data/zh/test.zh.jsonl", "xcopa/data-gmt/zh/test.zh.jsonl",
    )  # fmt: skip

    def names(benchmark: str, code: str) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in find(benchmark, code, tmp_path)]

    assert names("mlqa", "zh") == [
        "mlqa/dev-context-ar-question-zh.json.gz", "mlqa/dev-context-zh-question-zh.json"
    ]  # fmt: skip
    touch(tmp_path, "mlqa/test-context-zh-question-zh.json")
    assert names("mlqa", "zh") == ["mlqa/test-context-zh-question-zh.json"]
    assert names("belebele", "zh") == ["x/belebele/zho_Hans.jsonl"]
    assert names("belebele", "th") == ["belebele/th_belebele.seahelm.jsonl.gz"]
    assert names("open", "de") == ["vicuna80/questions_Deutsch.jsonl"]
    assert names("xcopa", "zh") == ["xcopa/data/zh/test.zh.jsonl"]
    assert names("exams", "vi") == ["exams/multilingual-dev.jsonl.tar.gz"]
    assert names("xquad", "zh") == []
    touch(
        tmp_path,
        "language-confusion/monolingual/okapi/it.csv", "language-confusion/crosslingual/okapi/it.csv.gz",
        "ntrex128/newstest2019-src.eng.txt", "ntrex128/newstest2019-ref.zho-CN.txt", "ntrex128/newstest2019-ref.ita.txt.gz",
        "tatoeba/tatoeba.swh-eng.swh", "tatoeba/tatoeba.swh-eng.eng", "tatoeba/tatoeba.tha-eng.tha",
    )  # fmt: skip
    assert names("language_confusion", "it") == [
        "language-confusion/crosslingual/okapi/it.csv.gz", "language-confusion/monolingual/okapi/it.csv"
    ]  # fmt: skip
    for way in ("translation", "translation_into_english"):
        assert names(way, "it") == [
            "ntrex128/newstest2019-src.eng.txt",
            "ntrex128/newstest2019-ref.ita.txt.gz",
        ]
        assert names(way, "zh") == [
            "ntrex128/newstest2019-src.eng.txt",
            "ntrex128/newstest2019-ref.zho-CN.txt",
        ]
        assert names(way, "sw") == ["tatoeba/tatoeba.swh-eng.eng", "tatoeba/tatoeba.swh-eng.swh"]
        assert names(way, "th") == []  # one side alone
        assert names(way, "en") == []


def test_what_is_missing_or_of_no_use_is_told_with_its_source(project: Path) -> None:
    touch(project, "xcopa/data/it/test.it.jsonl")
    found = {(one.benchmark, one.language): one for one in look("all", ["it"], project)}
    assert ("translation", "en") not in found
    assert found["xnli", "it"].why_not == "not found; from github.com/facebookresearch/XNLI"
    assert found["xcopa", "it"].questions == 0
    with pytest.raises(DataError, match="no file of the suite xcit is here for ar"):
        look("xcit", ["ar"], project / "xcopa")


def test_the_command_scores_stores_and_reports(project: Path) -> None:
    row = {"premise": "Piove.", "choice1": "Mi bagno.", "choice2": "Rido.", "question": "effect", "label": 0}
    touch(project, "xcopa/data/it/test.it.jsonl")
    rows = "".join(json.dumps({**row, "idx": i}) + "\n" for i in range(3))
    (project / "xcopa/data/it/test.it.jsonl").write_text(rows, encoding="utf-8")
    words = [
        "evaluate",
        "model",
        "--suite",
        "all",
        "--language",
        "it",
        "--data",
        ".",
        "--out",
        "run",
        "--template",
        "plain",
    ]
    code = "from calque.cli import main; main()"
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, cwd=project, check=False
        )
        for _ in range(2)
    ]
    assert runs[0].returncode == 0, runs[0].stderr
    assert "xquad in it: 4 questions" in runs[0].stdout
    assert "xnli in it: not found" in runs[0].stdout
    assert "xcopa" in runs[0].stdout
    assert "nothing to do: all 3 steps stand already" in runs[1].stdout
    scores = [
        json.loads(line) for line in (project / "run/scores.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    found = {(score["benchmark"], score["language"], score["metric"]): score for score in scores}
    assert found["xcopa", "it", "accuracy"]["n"] == 3
    assert found["xcopa", "it", "accuracy"]["signature"].startswith("xcopa|lang:it|prompt:item|")
    assert {language for _, language, _ in found} == {"en", "it"}
    assert (project / "run/report.html").is_file()


def test_the_recipe_is_that_of_the_model_as_it_is(project: Path) -> None:
    found = look("crossalpaca", ["it"], project)
    recipe = recipe_of(found, "model", suite="crossalpaca", limit=2, seed=5).recipe
    assert (recipe.languages, recipe.seed, recipe.evaluate.limit) == (["it"], 5, 2)
    assert recipe.evaluate.files_of("xquad") == {
        "en": [str(project / "xquad.en.json")],
        "it": [str(project / "xquad.it.json")],
    }
