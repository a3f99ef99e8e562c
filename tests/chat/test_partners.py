"""Whom one can talk to: systems in this process and behind a server, each asked as it was taught."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.loopback import Seen, model_app, served

from calque.chat.begin import begin
from calque.chat.partners import partners_of
from calque.chat.talk import Manner
from calque.engines.loading import ModelFiles, load_model, load_tokenizer
from calque.engines.transformers_engine import TransformersEngine
from calque.errors import UsageError
from calque.prompts.encoding import make_encoder
from calque.records import Message


def said(terminal: Any, text: str) -> str:
    terminal.typed, terminal.shown, terminal.aside = StringIO(text), StringIO(), StringIO()
    assert terminal.run() == 0, terminal.aside.getvalue()
    return str(terminal.shown.getvalue())


def test_a_model_behind_a_server_answers_beside_the_others(project: Path, foundry: Any) -> None:
    files = ModelFiles("tiny", foundry.model("llama", "bytes-bos"))
    encoder = make_encoder(load_tokenizer(files), "plain")
    engine = TransformersEngine(load_model(files, dtype=torch.float32), encoder, "tiny")
    (wanted,) = engine.complete([(Message("user", "il cane", "it"),)], max_new_tokens=9)
    seen = Seen()
    with served(model_app(engine, seen)) as url:
        (project / "run").mkdir()
        recipe = (
            (project / "recipe.yaml").read_text(encoding="utf-8").replace("path: model", "path: ../model")
        )
        recipe = recipe.replace(
            "  base: {}\n", f"  base: {{}}\n  there: {{server: '{url}', model: tiny, template: plain}}\n"
        )
        (project / "run" / "recipe.yaml").write_text(recipe, encoding="utf-8")
        assert (
            said(begin(str(project / "run"), systems=["there"], max_tokens=9), "il cane")
            == f"{wanted.text}\n"
        )
        both = said(begin(str(project / "run"), systems=["base,there"], max_tokens=9), "il cane")
    assert both.startswith("base:\n")
    assert both.endswith(f"there:\n{wanted.text}\n")
    assert len(seen.bodies) == 2


def test_who_is_meant_and_how_they_are_asked(full_run: Path, lora_run: Path, tmp_path: Path) -> None:
    assert begin(str(full_run)).partners[0].name == "x-crossalpaca-it"
    assert begin(str(lora_run)).partners[0].name == "x-crossalpaca-it"
    assert begin(str(full_run), language="it").manner == Manner("it")
    assert begin(str(full_run), systems=["base"]).manner.language == "it"
    with pytest.raises(UsageError, match="there is no x-alpaca in zh"):
        begin(str(full_run), systems=["x-alpaca"], language="zh")
    assert begin(str(full_run.parent / "model")).manner.language == "en"
    (tmp_path / "calque_export.json").write_text('{"languages": ["sw", "en"]}', encoding="utf-8")
    assert begin(str(tmp_path)).manner.language == "sw"
    with pytest.raises(UsageError, match="there is one model here: model"):
        partners_of(str(full_run.parent / "model")).find("x", None)


def test_english_is_asked_for_as_it_was_taught(project: Path) -> None:
    (project / "run").mkdir()
    recipe = (project / "recipe.yaml").read_text(encoding="utf-8")
    recipe = recipe.replace(
        "systems:\n",
        "  chat: {view: chat, prompt_language: english, english_asked_for: false}\n  pivot: {view: pivot}\n"
        "systems:\n  plug: {mix: {pivot: all, chat: all}, answers: [pivot]}\n",
    )
    (project / "run" / "recipe.yaml").write_text(recipe, encoding="utf-8")
    (project / "run" / "steps" / "tune-plug-it").mkdir(parents=True)
    (project / "run" / "steps" / "tune-plug-it" / "lineage.json").write_text("{}", encoding="utf-8")
    terminal = begin(str(project / "run"), systems=["plug"])
    (partner,) = terminal.partners
    assert terminal.manner.way == "pivot"
    assert partner.manner(Manner("it", "chat")) == Manner("it", "chat", words="en", english_asked_for=False)
    assert partner.manner(Manner("it", "pivot")) == Manner("it", "pivot")
