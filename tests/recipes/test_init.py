"""`calque init`: from files to a recipe that `calque check` accepts."""

from __future__ import annotations

import gzip
import json
import zipfile
from pathlib import Path

import pytest
from tests.conftest import write_json

from calque.corpora.looking import look
from calque.errors import UsageError
from calque.recipes.beginning import Given, begin
from calque.recipes.checking import check
from calque.recipes.findings import find_sources
from calque.recipes.reading import read_recipe
from calque.recipes.runner import prepare

TOLD = "Questo è un testo italiano che parla di una casa, di un bosco e di una vecchia signora che vi abita da anni."
SAID = (
    "This is an English text about a house, a wood and an old lady who has been living there for many years."
)


def alpaca(instruction: str, output: str, rows: int = 6) -> list[dict[str, str]]:
    return [
        {"instruction": f"{instruction} ({i})", "input": "" if i % 2 else str(i), "output": f"{output} ({i})"}
        for i in range(rows)
    ]


def jsonl(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


SMALL = [
    "contamination.when_found=report",
    "curate.passages.least_characters=10",
    "curate.passages.near_duplicates=null",
]


@pytest.fixture
def files(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder with files of every form, in English and Italian, and the model."""
    (tmp_path / "model").symlink_to(tiny_model)
    write_json(tmp_path / "alpaca.it.json", alpaca(TOLD, TOLD + " Sì."))
    write_json(tmp_path / "seed.json", alpaca(SAID, TOLD, 12))
    pairs = [(f"{SAID} {i}", f"{TOLD} {i}") for i in range(8)]
    (tmp_path / "pairs.tsv").write_text("".join(f"{b}\t{a}\n" for a, b in pairs), encoding="utf-8")
    for side, code in enumerate(("en", "it")):
        (tmp_path / f"news.{code}").write_text("".join(f"{pair[side]}\n" for pair in pairs), encoding="utf-8")
    dolly: list[dict[str, object]] = [
        {"orig_instruction": f"{SAID} {i}", "orig_context": "", "orig_response": SAID,
         "instruction": f"{TOLD} {i}", "context": "", "response": TOLD}
        for i in range(24)
    ]  # fmt: skip
    jsonl(tmp_path / "dolly.jsonl", dolly)
    jsonl(tmp_path / "web.jsonl", [{"text": f"{i}: {TOLD}", "url": f"u{i}"} for i in range(30)])
    (tmp_path / "book.txt").write_text("\n\n".join(f"{TOLD} {TOLD} {i}" for i in range(20)), encoding="utf-8")
    jsonl(tmp_path / "chat.jsonl", [{"messages": []}])
    (tmp_path / "table.csv").write_text("a,b\n", encoding="utf-8")
    write_json(tmp_path / "xquad.it.json", squad(TOLD, "Chi abita nella casa vicino al bosco?"))
    write_json(tmp_path / "xquad.en.json", squad(SAID, "Who has been living in the house near the wood?"))
    return tmp_path


def squad(context: str, question: str) -> dict[str, object]:
    asked = [
        {"id": f"q{i}", "question": question, "answers": [{"text": context[:4], "answer_start": 0}]}
        for i in range(3)
    ]
    return {"data": [{"title": "t", "paragraphs": [{"context": context, "qas": asked}]}]}


def test_what_each_file_is(files: Path) -> None:
    told = {path.name: look(path).told for path in files.iterdir() if path.is_file()}
    assert told == {
        "alpaca.it.json": "6 rows, instructions (Alpaca) in Italian",
        "seed.json": "12 rows, instructions (Alpaca) in English and Italian",
        "pairs.tsv": "8 rows, parallel sentences in English and Italian",
        "news.en": "8 rows, text, line by line in English",
        "news.it": "8 rows, text, line by line in Italian",
        "dolly.jsonl": "24 rows, instructions with their English originals (Dolly) in English and Italian",
        "web.jsonl": "30 rows, native text in Italian",
        "book.txt": "39 rows, text, line by line in Italian",
        "chat.jsonl": "1 rows, conversations",
        "table.csv": "CSV is not read: give TSV, or JSON lines",
        "xquad.it.json": "3 rows, questions on texts (SQuAD) in Italian",
        "xquad.en.json": "3 rows, questions on texts (SQuAD) in English",
    }
    assert look(files / "pairs.tsv").columns == (1, 0)


def test_where_each_file_goes(files: Path) -> None:
    found = find_sources([files])
    assert found.languages == ["it"]
    assert found.instructions == {"it": [files / "alpaca.it.json"]}
    assert found.seed == {"it": [files / "seed.json"]}
    assert found.translations == {
        "it": {"file": files / "pairs.tsv", "english_column": 1, "target_column": 0}
    }
    assert found.parallel == {"it": {"dolly": files / "dolly.jsonl"}}
    assert found.passages == {"it": [files / "web.jsonl", files / "book.txt"]} or found.passages == {
        "it": [files / "book.txt", files / "web.jsonl"]
    }
    assert found.benchmarks == {"xquad": {"en": [files / "xquad.en.json"], "it": [files / "xquad.it.json"]}}
    assert found.methods(["it"]) == ["xcit", "crossalpaca", "xinstruction"]
    assert found.methods(["it", "zh"]) == []


def test_two_files_line_by_line_and_packed_ones(files: Path) -> None:
    found = find_sources([files / "news.it", files / "news.en"])
    assert found.translations == {"it": {"english": files / "news.en", "target": files / "news.it"}}
    packed = files / "pairs.tsv.gz"
    packed.write_bytes(gzip.compress((files / "pairs.tsv").read_bytes()))
    assert look(packed).form == "pairs"


def test_of_several_files_for_one_place_the_others_are_told_as_unused(tmp_path: Path) -> None:
    rows = "".join(f"{SAID} {i}\t{TOLD} {i}\n" for i in range(9))
    for name in ("a.tsv", "b.tsv"):
        (tmp_path / name).write_text(rows, encoding="utf-8")
    found = find_sources([tmp_path])
    assert found.translations == {"it": tmp_path / "a.tsv"}
    assert found.unused == [
        (tmp_path / "b.tsv", "a recipe takes one source of this kind for it, and there is another")
    ]
    assert [one.path.name for one in found.used] == ["a.tsv"]


def test_one_english_file_stands_beside_those_of_several_languages(tmp_path: Path) -> None:
    german = "Dies ist ein deutscher Text über ein Haus, einen Wald und eine alte Dame, die seit Jahren dort wohnt."
    for code, text in (("en", SAID), ("it", TOLD), ("de", german)):
        (tmp_path / f"news.{code}").write_text("".join(f"{text} {i}\n" for i in range(5)), encoding="utf-8")
    assert {code: pair["english"].name for code, pair in find_sources([tmp_path]).translations.items()} == {
        "de": "news.en",
        "it": "news.en",
    }


def test_what_is_packed_or_marked_up_is_looked_at_as_it_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "web.zip", "w") as archive:
        archive.writestr("a.txt", TOLD)
    links = "".join(f"[Sì](https://www.example.org/the/english/name/of/the/page/{i})\n\n" for i in range(60))
    (tmp_path / "page.md").write_text(f"# Casa\n\n{TOLD}\n\n{links}", encoding="utf-8")
    assert {look(path).told for path in tmp_path.iterdir()} == {"native text in Italian"}


def test_the_language_beside_english_is_one_whose_text_is_in_it(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"id": f"row {i}", "fr": TOLD, "it": TOLD, "en": SAID} for i in range(9)]
    assert look(jsonl(tmp_path / "a.jsonl", rows)).languages == ("en", "it")
    labels = "".join(f"science/technology\t{TOLD} {i}\n" for i in range(20))
    (tmp_path / "a.tsv").write_text(labels, encoding="utf-8")
    assert look(tmp_path / "a.tsv").form == "unknown"


def test_alpaca_files_that_say_the_same_are_parallel(tmp_path: Path) -> None:
    write_json(tmp_path / "a.en.json", alpaca(SAID, SAID))
    write_json(tmp_path / "a.it.json", alpaca(TOLD, TOLD))
    found = find_sources([tmp_path])
    assert found.parallel == {"it": {"english": tmp_path / "a.en.json", "target": tmp_path / "a.it.json"}}
    write_json(tmp_path / "a.it.json", alpaca(TOLD, TOLD)[::-1])
    assert find_sources([tmp_path]).parallel == {}
    write_json(tmp_path / "a.it.json", alpaca(TOLD, TOLD, 5))
    assert find_sources([tmp_path]).parallel == {}


@pytest.mark.parametrize("method", ["crossalpaca", "xcit", "xinstruction"])
def test_the_recipe_is_one_that_check_accepts(files: Path, method: str) -> None:
    told: list[str] = []
    out = files / "recipes" / "mine.yaml"
    given = Given((files,), str(files / "model"), method=method, out=out)
    assert begin(given, None, told.append) == out
    text = out.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 80
    assert sum(line.lstrip().startswith("#") for line in text.splitlines()) >= 15
    recipe = read_recipe(str(out)).recipe
    assert (recipe.name, recipe.languages, recipe.tuning.max_tokens) == ("mine", ["it"], 512)
    assert str(files) not in text
    lines = list(check(str(out), SMALL))
    assert any(line.startswith("benchmark xquad in it: 3 questions") for line in lines)
    assert any("not used" in line and "chat.jsonl" in line for line in told)
    assert any("not used" in line and "table.csv" in line for line in told)


def test_nothing_is_overwritten(files: Path) -> None:
    (files / "mine.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match="is there already"):
        begin(Given((files,), "org/model", out=files / "mine.yaml"), None, print)
    assert (files / "mine.yaml").read_text(encoding="utf-8") == "mine"


def test_what_is_missing_is_said_or_asked(files: Path) -> None:
    with pytest.raises(UsageError, match="say --model"):
        begin(Given((files,)), None, print)
    with pytest.raises(UsageError, match="calque init FILE"):
        begin(Given(), None, print)
    with pytest.raises(UsageError, match="nothing to learn from in a language beside English"):
        begin(Given((files / "xquad.it.json",), "m"), None, print)
    with pytest.raises(UsageError, match="no such file or folder"):
        begin(Given((files / "no",)), None, print)
    with pytest.raises(UsageError, match="crossalpaca needs instructions in the language"):
        begin(Given((files / "web.jsonl",), "m"), None, print)
    with pytest.raises(UsageError, match="--method magic: there is none"):
        begin(Given((files,), "m", method="magic"), None, print)
    asked: list[tuple[str, str]] = []
    answers = iter([str(files), "it", "crossalpaca", "org/model", str(files / "asked.yaml")])

    def ask(question: str, proposed: str) -> str:
        asked.append((question, proposed))
        return next(answers)

    assert begin(Given(), ask, print) == files / "asked.yaml"
    assert [proposed for _, proposed in asked] == ["", "it", "xcit", "", "crossalpaca-it.yaml"]
    recipe = read_recipe(str(files / "asked.yaml")).recipe
    assert recipe.model.path == "org/model"
    assert list(recipe.systems) == ["base", "en-alpaca", "x-alpaca", "x-crossalpaca"]


def test_official_files_in_a_folder_are_told_by_their_names(files: Path, tmp_path: Path) -> None:
    folder = tmp_path / "benchmarks"
    for code in ("en", "it", "zh"):
        (folder / f"mmlu-{code}" / "test").mkdir(parents=True)
        (folder / f"mmlu-{code}" / "test" / "anatomy_test.csv").write_text("q,a,b,c,d,A\n", encoding="utf-8")
    found = find_sources([files / "alpaca.it.json", folder], ["it"])
    assert found.benchmarks["mmlu"] == {"en": [folder / "mmlu-en"], "it": [folder / "mmlu-it"]}


def test_the_command_asks_nothing_without_a_terminal(files: Path) -> None:
    from tests.test_cli import calque

    done = calque("init", ".", "--model", "model", "--yes", "--out", "mine.yaml", cwd=files)
    assert (done.returncode, "next: calque check mine.yaml" in done.stdout) == (0, True), done.stderr
    again = calque("init", ".", "--model", "model", "--out", "mine.yaml", cwd=files)
    assert (again.returncode, "is there already" in again.stderr) == (2, True)


@pytest.mark.real_data
def test_real_files(data_folder: Path, tmp_path: Path) -> None:
    """What public files are, and the recipes of three of them, which find all their files."""
    told = {}
    for name in ("alpaca-en-zh/pairs-en-zh.jsonl.gz", "oasst1-en-fi", "arena-hard-multilingual/question-en.jsonl",
                 "tico19/all.en-zh.tmx.gz", "tydiqa-goldp/tydiqa.goldp.sw.dev.noanswers.json", "gsm8k"):  # fmt: skip
        path = data_folder / name
        told[name] = look(next(iter(sorted(path.glob("*.json*")))) if path.is_dir() else path).told
    trees = told.pop("oasst1-en-fi")
    assert "with their English originals (OpenAssistant) in English and Finnish" in trees
    assert told == {
        "alpaca-en-zh/pairs-en-zh.jsonl.gz": "11,063 rows, an index of rows that belong together in English and Chinese",
        "arena-hard-multilingual/question-en.jsonl": "500 rows, questions (FastChat) in English",
        "tico19/all.en-zh.tmx.gz": "3,071 rows, parallel sentences in English and Chinese",
        "tydiqa-goldp/tydiqa.goldp.sw.dev.noanswers.json": "questions on texts (SQuAD), none of which has an answer",
        "gsm8k": "its rows have the fields question, answer",
    }
    given = {
        "xcit": (["alpaca-en-zh", "xquad"], "zh"),
        "crossalpaca": (
            ["alpaca-en-zh/alpaca_data-0-3252-zh.json.gz", "tico19/all.en-zh.tmx.gz", "xquad"],
            "zh",
        ),
        "xinstruction": (["arena-hard-multilingual", "voa-sw"], "sw"),
    }
    for method, (names, code) in given.items():
        out = tmp_path / f"{method}.yaml"
        begin(
            Given(tuple(data_folder / name for name in names), "org/model", (code,), method, out), None, print
        )
        resolved = prepare(read_recipe(str(out))).resolved
        assert resolved.systems[0].role == "base"
        assert method.replace("crossalpaca", "x-crossalpaca") in {system.role for system in resolved.systems}
