"""What check finds without spending anything, and what it says of a recipe that is sound."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from calque.errors import RecipeError
from calque.recipes import checking, trial
from calque.recipes.checking import check


def lines(project: Path, *words: str) -> list[str]:
    return list(check(str(project / "recipe.yaml"), words, everything=True))


def glance(project: Path, *words: str, memory: Path | None = None) -> list[str]:
    return list(check(str(project / "recipe.yaml"), words, memory=memory))


def told(project: Path, *words: str) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        lines(project, *words)
    return [problem.message for problem in caught.value.problems]


@pytest.fixture
def own_model(project: Path) -> Path:
    """The project's model as a folder that may be damaged."""
    folder = project / "model"
    kept = folder.resolve()
    folder.unlink()
    return Path(shutil.copytree(kept, folder))


def test_a_sound_recipe_is_told_in_rows_and_tokens(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    rows = json.loads((project / "instructions.it.json").read_text(encoding="utf-8"))
    rows += [{"instruction": "Di'", "output": "il cane " * 200}, {"instruction": "Di'", "output": ""}]
    (project / "instructions.it.json").write_text(json.dumps(rows), encoding="utf-8")
    found = lines(project, "tuning.overlong=drop", "tuning.max_tokens=200")
    part = "part x-instructions-it: 25 rows of instructions.it.json can be used, 1 × empty_response; 25 are taken"
    assert found[found.index(part) + 1].startswith(
        "    empty_response, the first: instructions.it.json, row 26: line 1"
    )
    assert "system x-crossalpaca-it: 37 rows (x-instructions-it: 25, translations-it: 12)" in found
    of_system = found.index("system x-alpaca-it: 25 rows (x-instructions-it: 25)")
    assert re.fullmatch(
        r"    it, instruction: 24 rows, [\d,]+ tokens, the longest [\d,]+, 1 × too long and dropped",
        found[of_system + 1],
    )
    assert re.fullmatch(r"    texts in it: \d\.\d\d tokens a word", found[of_system + 2])
    assert "system base: the base model as it is" in found
    assert "benchmark xquad in it: 4 questions" in found
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_file_without_a_usable_row_is_told_with_its_first_row(project: Path) -> None:
    (project / "instructions.it.json").write_text("[1,\n2]", encoding="utf-8")
    with pytest.raises(RecipeError) as caught:
        lines(project)
    (problem,) = caught.value.problems
    assert problem.message == (
        "no row can be used (2 × wrong_type); the first, row 1: line 1: the row is a number, expected an object"
    )
    assert problem.remedy == "mend the rows, or give a file of the form that the recipe asks for here"


def test_rows_that_are_too_long_are_told_per_language(project: Path) -> None:
    (message, *_) = told(project, "tuning.max_tokens=12")
    assert re.match(r"24 of 24 rows are longer than 12 tokens \(en: 24\)", message)


def test_a_row_over_the_context_is_told(project: Path) -> None:
    with (project / "pairs.tsv").open("a", encoding="utf-8") as stream:
        stream.write("the dog " * 300 + "\til cane\n")
    (message,) = told(project, "demonstrate.translations.count=all", "tuning.max_tokens=4000")
    assert re.fullmatch(r"the longest row has \d+ tokens, but the model reads only 512", message)


def test_a_chat_template_that_the_model_has_not(project: Path) -> None:
    (message,) = told(project, "model.template=chat")
    assert message == "model.template is `chat`, but the model's tokenizer has no chat template"


def test_no_tokenizer_and_damaged_weights(project: Path, own_model: Path) -> None:
    (own_model / "tokenizer.json").rename(own_model / "aside")
    assert told(project) == ["the model has no tokenizer"]
    (own_model / "aside").rename(own_model / "tokenizer.json")
    weights = own_model / "model.safetensors"
    size = weights.stat().st_size
    weights.write_bytes(weights.read_bytes()[:-4])
    assert told(project) == [
        f"model.safetensors has {size - 4:,} bytes, and should by its header have {size:,}"
    ]


def test_a_language_without_wordings_is_told_for_translations(project: Path) -> None:
    for name in ("instructions.{}.json", "xquad.{}.json"):
        shutil.copy(project / name.format("it"), project / name.format("ta"))
    words = ["languages=[ta]", f"instructions.ta={project}/instructions.ta.json",
             f"translations.ta={project}/pairs.tsv"]  # fmt: skip
    assert told(project, *words) == [
        "there are no wordings that ask for a translation in Tamil",
    ]


def test_faults_of_model_data_and_benchmarks_are_told_at_once(project: Path) -> None:
    (project / "pairs.tsv").write_text("only one column\n", encoding="utf-8")
    found = told(
        project,
        "model.template=chat",
        f"evaluate.mmlu.it={project}/xquad.it.json",
        "systems.x-alpaca.mix.x-instructions=30",
    )
    assert [message.split(":")[0] for message in found] == [
        "model.template is `chat`, but the model's tokenizer has no chat template",
        "12 translations are asked for, and there are 0 sentence pairs",
        "system x-alpaca-it",
        "mmlu",
    ]


LEFT = (
    "not looked at: {}contamination, what each system would be tuned on, its length in tokens; "
    "calque check --all does, and calque run before it tunes or asks anything"
)


def test_a_glance_reads_the_parts_and_says_what_it_leaves(project: Path) -> None:
    assert glance(project) == [
        "recipe small: it, seed 3",
        next(line for line in lines(project) if line.startswith("model model: a folder with ")),
        "part en-instructions-en: 24 rows of instructions.en.json can be used; 24 are taken",
        "part x-instructions-it: 24 rows of instructions.it.json can be used; 24 are taken",
        "part translations-it: 24 rows of pairs.tsv can be used; 12 are taken",
        "benchmark xquad in en: 4 questions",
        "benchmark xquad in it: 4 questions",
        "system base: the base model as it is",
        "21 steps: 3 × demonstrate, 1 × contamination, 3 × mix, 3 × encode, 8 × evaluate, 3 × tune",
        LEFT.format(""),
    ]
    assert not any(line.startswith("not looked at") for line in lines(project))


def test_a_glance_reads_no_more_than_the_first_rows(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "AT_FIRST", 60)  # 20 for each of three parts
    monkeypatch.setattr(trial, "FEWEST", 1)
    rows = json.loads((project / "instructions.it.json").read_text(encoding="utf-8"))
    rows[:19] = [{"instruction": "Di'", "output": ""}] * 19
    (project / "instructions.it.json").write_text(json.dumps(rows), encoding="utf-8")
    found = glance(project, "demonstrate.translations.count=25", "systems.x-alpaca.mix.x-instructions=30")
    assert found[2:5] == [
        "part en-instructions-en: of the first 20 rows of instructions.en.json 20 can be used",
        "part x-instructions-it: of the first 20 rows of instructions.it.json 1 can be used, 19 × empty_response",
        "    empty_response, the first: instructions.it.json, row 1: line 1: field 'output' is empty",
    ]
    assert "part translations-it: of the first 20 rows of pairs.tsv 20 can be used" in found
    assert found[-1] == LEFT.format("the rows behind the first, ")
    monkeypatch.setattr(trial, "AT_FIRST", 72)
    assert "part translations-it: 24 rows of pairs.tsv can be used; 12 are taken" in glance(project)


def test_a_glance_that_finds_no_row_looks_at_all(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "AT_FIRST", 15)
    monkeypatch.setattr(trial, "FEWEST", 1)
    file = project / "instructions.it.json"
    rows = json.loads(file.read_text(encoding="utf-8"))
    bad = [{"instruction": "Di'", "output": ""}] * 5
    file.write_text(json.dumps(bad + rows[5:]), encoding="utf-8")
    assert any(
        re.match(r"part x-instructions-it: 19 rows .*, 5 × empty_response", line) for line in glance(project)
    )
    file.write_text(json.dumps(bad * 5), encoding="utf-8")
    with pytest.raises(RecipeError, match=r"no row can be used \(25 × empty_response\)"):
        glance(project)


def test_what_was_found_in_order_is_told_again_without_looking(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, memory = str(project / "recipe.yaml"), tmp_path / "memory"
    found = list(check(recipe, [], everything=True, memory=memory))

    def never(*_: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patch:
        patch.setattr(trial.Trial, "_looked", never)
        patch.setattr(checking.Workshop, "encoder", property(never))
        assert list(check(recipe, [], everything=True, memory=memory)) == found
        assert glance(project, memory=memory) == found
    changed = glance(project, "tuning.max_tokens=300", memory=memory)
    assert changed[-1] == LEFT.format("").replace(
        "contamination, what each system would be tuned on, its", "its"
    )
    assert changed[:-1] == [line for line in found if not line.startswith("    ")]
    with (project / "pairs.tsv").open("a", encoding="utf-8") as stream:
        stream.write("the owl\til gufo\n")
    changed = glance(project, memory=memory)
    assert "part translations-it: 25 rows of pairs.tsv can be used; 12 are taken" in changed
    assert "system x-alpaca-it: 24 rows (x-instructions-it: 24)" in changed  # which learns from no pairs
    assert changed[-1] == LEFT.format("")
    again = list(check(recipe, [], everything=True, memory=memory))
    assert again == list(check(recipe, [], everything=True))


def test_faults_are_not_remembered(project: Path, tmp_path: Path) -> None:
    recipe, words, memory = str(project / "recipe.yaml"), ["tuning.max_tokens=12"], tmp_path / "memory"
    for _ in range(2):
        with pytest.raises(RecipeError, match="24 of 24 rows are longer than 12 tokens"):
            list(check(recipe, words, everything=True, memory=memory))
    assert glance(project, *words, memory=memory)[-1].startswith("not looked at: its length in tokens;")


def test_large_files_are_not_read_to_find_them_in_memory(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = tmp_path / "memory"
    monkeypatch.setattr("calque.recipes.hashes.SETTLED_NS", -1)  # files just written are learnt too
    list(check(str(project / "recipe.yaml"), [], everything=True, memory=memory))
    (memory / "hashes.json").unlink()
    monkeypatch.setattr(checking, "LARGEST", 10)
    read: list[str] = []
    monkeypatch.setattr("calque.recipes.hashes.sha256_of", lambda path: read.append(path.suffix) or "0")
    assert glance(project, memory=memory)[-1] == LEFT.format("")
    assert ".tsv" not in read


def test_the_weights_of_a_judge_are_not_read(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "open.it.jsonl").write_text('{"id": "o", "text": "Chi?"}', encoding="utf-8")
    recipe = (
        (project / "recipe.yaml").read_text(encoding="utf-8")
        + """\
  open: open.{language}.jsonl
  languages: [x]
engines: {big: {path: model, template: plain}}
judge: {by: [big], known: "instructions.{language}.json"}
"""
    )
    (project / "recipe.yaml").write_text(recipe, encoding="utf-8")
    read: list[str] = []
    monkeypatch.setattr("calque.recipes.hashes.sha256_of", lambda path: read.append(path.name) or "0")
    assert "judge big in it: 24 known answers" in glance(project)
    assert "xquad.it.json" in read
    assert "model.safetensors" not in read


def test_a_memory_that_cannot_be_written_is_none(project: Path) -> None:
    assert glance(project, memory=project / "pairs.tsv") == glance(project)


def test_a_glance_sees_a_chat_template(project: Path, own_model: Path) -> None:
    with pytest.raises(RecipeError, match="tokenizer has no chat template"):
        glance(project, "model.template=chat")
    (own_model / "chat_template.jinja").write_text("{{ messages }}", encoding="utf-8")
    assert glance(project, "model.template=chat")[-1] == LEFT.format("")


@pytest.mark.parametrize("word", ["seed=3", "model=some/model", "instructions.it=nowhere.json"])
def test_a_glance_needs_no_torch(project: Path, word: str) -> None:
    """Neither of a model here, nor of one of the hub, nor of a recipe whose files are not there."""
    done = imported("check", "recipe.yaml", word, project=project)
    assert done.stdout.splitlines()[-1] == "set()", done.stderr
    assert ("model some/model: not a folder here" in done.stdout) == (word == "model=some/model")


def test_what_is_remembered_needs_no_torch(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALQUE_CACHE", str(project / "memory"))
    first, again = (imported("check", "recipe.yaml", "--all", project=project).stdout for _ in range(2))
    assert "'torch'" in first.splitlines()[-1]
    assert again.splitlines() == [*first.splitlines()[:-1], "set()"]


def imported(*words: str, project: Path) -> subprocess.CompletedProcess[str]:
    """Carry a command out; its last line tells which of the heavy packages it imported."""
    code = (
        "import sys\nfrom calque.cli import main\n"
        "try:\n    main()\nfinally:\n    print({'torch', 'transformers'} & set(sys.modules))\n"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=project, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_is_read_beside_a_benchmark_is_not_forgotten(project: Path, tmp_path: Path) -> None:
    (project / "nli").mkdir()
    labels = project / "nli" / "test-labels.txt"
    for language in ("en", "it"):
        (project / "nli" / f"test-{language}.tsv").write_text(
            "Il cane dorme.\tIl cane riposa.\n", encoding="utf-8"
        )
    labels.write_text("entailment\n", encoding="utf-8")
    words, memory = [f"evaluate.xnli={project}/nli/test-{{language}}.tsv"], tmp_path / "memory"
    assert "benchmark xnli in it: 1 questions" in glance(project, *words, memory=memory)
    labels.unlink()
    with pytest.raises(RecipeError, match="its rows have no labels"):
        glance(project, *words, memory=memory)
