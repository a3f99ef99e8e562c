"""An exported model, loaded as anyone would load it, answers as the run's own does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from calque.errors import CalqueError, ModelError, RunError, UsageError
from calque.export.model import ModelExport, export_model
from calque.recipes.tuned import Tuned, read_tuned
from calque.records import Message

ASK = ["Di' dov'è.", "Say where it is.", "il cane", "42", "È nel bosco o sul monte?"]


def export(tuned: Tuned, out: Path, name: str, **asked: Any) -> list[str]:
    return list(export_model(tuned, tuned.wanted(name, None, tuned=True), out, ModelExport(**asked)))


def own_answers(tuned: Tuned, name: str) -> list[str]:
    """What the run's own engine answers, greedily."""
    system = tuned.wanted(name, None)
    engine = tuned.workshop().engine(system.name, system.step, "fp32")
    asked = [(Message("user", text, "it"),) for text in ASK]
    return [completion.text for completion in engine.complete(asked, max_new_tokens=24)]


def theirs(model: Any, folder: Path) -> list[str]:
    """What plain transformers makes of the folder: its chat template, its generation config, nothing of ours."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    answers = []
    for text in ASK:
        turn = [{"role": "user", "content": text}]
        asked = tokenizer.apply_chat_template(
            turn, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        with torch.no_grad():
            written = model.generate(**asked, max_new_tokens=24)[0, asked["input_ids"].shape[1] :]
        answers.append(tokenizer.decode(written, skip_special_tokens=True).strip())
    return answers


@pytest.mark.parametrize(
    ("run", "system"), [("full_run", "x-crossalpaca"), ("lora_run", "x-crossalpaca"), ("lora_run", "later")]
)
def test_the_merged_model_answers_as_the_run_s_own(
    request: pytest.FixtureRequest, tmp_path: Path, run: str, system: str
) -> None:
    from transformers import AutoModelForCausalLM

    tuned = read_tuned(request.getfixturevalue(run))
    lines = export(tuned, tmp_path / "out", system)
    answers = theirs(AutoModelForCausalLM.from_pretrained(tmp_path / "out"), tmp_path / "out")
    assert answers == own_answers(tuned, system)
    assert len(set(answers)) > 1
    assert answers != own_answers(tuned, "base")
    generation = json.loads((tmp_path / "out" / "generation_config.json").read_text(encoding="utf-8"))
    assert (generation["eos_token_id"], generation.get("do_sample", False)) == (0, False)
    rows = {"x-crossalpaca": 36, "later": 24}[system]
    assert f"Token ids by the chat template equal those of training in {rows} of {rows} prompts." in lines
    assert not list((tmp_path / "out").glob("*.bin"))
    assert len({path.stat().st_mode for path in (tmp_path / "out").iterdir()}) == 1


def test_the_adapter_stands_on_the_base(lora_run: Path, tmp_path: Path, tiny_model: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tuned = read_tuned(lora_run)
    export(tuned, tmp_path / "out", "x-alpaca", form="adapter", base_name="org/base")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "org/base"
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    model = PeftModel.from_pretrained(base, tmp_path / "out", config=None)
    assert theirs(model, tmp_path / "out") == own_answers(tuned, "x-alpaca")


def test_the_card_tells_what_is_known(lora_run: Path, tmp_path: Path) -> None:
    tuned = read_tuned(lora_run)
    export(tuned, tmp_path / "my-model", "later", base_name="org/base")
    card = (tmp_path / "my-model" / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---")[1])
    assert front == {
        "base_model": "org/base",
        "base_model_relation": "finetune",
        "language": ["it", "en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["calque", "small"],
    }  # no licence: the base model's is not known
    assert "# my-model\n" in card
    assert "| instruction | it | it | 24 |" in card  # the earlier stage
    assert "| instruction | en | en | 24 |" in card
    assert "| instructions.it.json | CC-BY-4.0 | 24 |" in card
    assert (
        "In stages: base → x-alpaca-it (lora; earlier adapter: none) → later-it (lora; earlier adapter: merge)."
        in card
    )
    assert "Licences: base model: unknown; data: CC-BY-4.0." in card
    assert "| xquad | it | direct | exact_match |" in card
    assert "xquad.it exact_match" in card.split("Signatures:")[1]
    assert str(lora_run.parent) not in card


def test_a_licence_that_base_and_data_share_is_told_to_the_hub(
    lora_run: Path, tmp_path: Path, tiny_model: Path
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    (base / "README.md").write_text("---\nlicense: CC-BY-4.0\n---\n# base\n", encoding="utf-8")
    export(read_tuned(lora_run), tmp_path / "out", "x-alpaca", base=str(base))
    assert "license: CC-BY-4.0\n" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_big_models_come_in_shards(full_run: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    tuned = read_tuned(full_run)
    export(tuned, tmp_path / "whole", "x-alpaca")
    export(tuned, tmp_path / "shards", "x-alpaca", shard="50KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 1
    assert (tmp_path / "shards" / "model.safetensors.index.json").is_file()
    one, other = (
        AutoModelForCausalLM.from_pretrained(tmp_path / name).state_dict() for name in ("whole", "shards")
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_precision_of_one_s_choice(full_run: Path, tmp_path: Path) -> None:
    from calque.engines.weights import stored_dtype

    lines = export(read_tuned(full_run), tmp_path / "out", "x-alpaca", precision="bf16")
    assert stored_dtype(tmp_path / "out") == torch.bfloat16
    assert lines[0] == "All weights were tuned; they are stored in bfloat16."


def test_what_cannot_be_exported_says_why_and_leaves_nothing(
    full_run: Path, lora_run: Path, tmp_path: Path
) -> None:
    full, lora = read_tuned(full_run), read_tuned(lora_run)
    with pytest.raises(ModelError, match="there is no adapter"):
        export(full, tmp_path / "out", "x-alpaca", form="adapter")
    with pytest.raises(ModelError, match="stands on weights of an earlier stage"):
        export(lora, tmp_path / "out", "later", form="adapter")
    with pytest.raises(UsageError, match="there is no y-alpaca"):
        export(lora, tmp_path / "out", "y-alpaca")
    with pytest.raises(ModelError, match="no such model folder"):
        export(lora, tmp_path / "out", "later", base="/nowhere")
    other = shutil.copytree(full_run / "steps" / "tune-x-alpaca-it" / "model", tmp_path / "other")
    with pytest.raises(ModelError, match="another base model"):
        export(lora, tmp_path / "out", "x-alpaca", base=str(other))
    with pytest.raises(RunError, match="is no run folder"):
        read_tuned(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other"]


def test_the_files_that_a_model_was_made_from_may_be_gone(full_run: Path, tmp_path: Path) -> None:
    """The run folder alone, on another machine, with the base model elsewhere."""
    moved = shutil.copytree(full_run, tmp_path / "elsewhere" / "run")
    base = full_run.parent / "model"
    out = tmp_path / "out"
    export(read_tuned(moved), out, "x-crossalpaca", base=str(base))
    assert (out / "model.safetensors").is_file()


def test_which_system_is_meant(full_run: Path) -> None:
    tuned = read_tuned(full_run)
    assert [s.name for s in tuned.systems] == ["base", "en-alpaca", "x-alpaca-it", "x-crossalpaca-it"]
    assert (
        tuned.wanted(None, None, tuned=True).name == "x-crossalpaca-it"
    )  # what the last comparison is about
    assert tuned.wanted("x-alpaca", "it").name == "x-alpaca-it"
    assert tuned.wanted("x-alpaca-it", None).name == "x-alpaca-it"
    assert tuned.wanted("base", None).step is None
    with pytest.raises(CalqueError, match="there is no x-alpaca in zh"):
        tuned.wanted("x-alpaca", "zh")
    with pytest.raises(CalqueError, match="there is no base"):
        tuned.wanted("base", None, tuned=True)


def test_a_run_that_is_under_way_shows_what_is_tuned(full_run: Path, tmp_path: Path) -> None:
    run = shutil.copytree(full_run, tmp_path / "run")
    (run / "manifest.json").unlink()
    shutil.rmtree(run / "steps" / "tune-x-crossalpaca-it")
    assert [(s.name, s.role, s.language) for s in read_tuned(run).systems] == [
        ("base", "base", ""), ("en-alpaca", "en-alpaca", ""), ("x-alpaca-it", "x-alpaca", "it"),
    ]  # fmt: skip
    shutil.copy2(full_run / "manifest.json", run)
    assert [s.name for s in read_tuned(run).systems] == ["base", "en-alpaca", "x-alpaca-it"]
