"""Rendering by a template: segments as literals, and the same text in training and at generation."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.errors import DataError
from calque.prompts.render import Segment, TemplateRenderer, load_template, template_names
from calque.records import Message

PLAIN = TemplateRenderer(load_template("plain"), "</s>")


def user(text: str, given: str = "", language: str = "en") -> Message:
    return Message("user", text, language, given)


def answer(text: str, trained: bool = True) -> Message:
    return Message("assistant", text, "en", trained=trained)


def test_two_lines_of_the_plain_template() -> None:
    assert PLAIN.segments((user("Hi", "there"), answer("Ho"))) == [
        Segment("Hi\nthere\n\n"),
        Segment("Ho", trained=True),
        Segment("</s>", trained=True, token=True),
    ]


def test_alpaca_renders_its_sections() -> None:
    (segment,) = TemplateRenderer(load_template("alpaca"), "</s>").prompt((user("Add.", "1 2"),))
    assert segment.text == (
        "You are given an instruction that describes a task, and an input that it refers to. "
        "Write the response that does what it asks.\n\n"
        "### Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:\n"
    )


def test_turns_are_parted_and_the_preamble_comes_once() -> None:
    turns = (user("a"), answer("b", trained=False), user("c"), answer("d"))
    assert [(s.text, s.trained) for s in PLAIN.segments(turns)] == [
        ("a\n\n", False),
        ("b", False),
        ("</s>", False),
        ("\n\nc\n\n", False),
        ("d", True),
        ("</s>", True),
    ]
    alpaca = TemplateRenderer(load_template("alpaca"), "</s>")
    text = "".join(s.text for s in alpaca.segments((user("a"), user("b"), answer("c"), user("d"))))
    assert text.count("You are given") == 1


def test_a_system_message_stands_for_the_preamble() -> None:
    alpaca = TemplateRenderer(load_template("alpaca"), "</s>")
    (segment,) = alpaca.prompt((Message("system", "Be brief.", "en"), user("a")))
    assert segment.text == "Be brief.\n\n### Instruction:\na\n\n### Response:\n"


def test_text_alone_has_no_prompt() -> None:
    assert PLAIN.segments((answer("b"),)) == [
        Segment("b", trained=True),
        Segment("</s>", trained=True, token=True),
    ]


def test_braces_in_the_data_stay() -> None:
    (segment,) = PLAIN.prompt((user("{input} {text} {0}", "{text}"),))
    assert segment.text == "{input} {text} {0}\n{text}\n\n"


def test_wording_in_the_language_of_the_prompt() -> None:
    renderer = TemplateRenderer(load_template("alpaca"), "</s>", "prompt")
    assert renderer.prompt((user("Ciao", language="it"),))[0].text.endswith(
        "### Istruzione:\nCiao\n\n### Risposta:\n"
    )
    with pytest.raises(DataError, match="no wording in 'th'"):
        renderer.prompt((user("?", language="th"),))


@pytest.mark.parametrize("name", template_names())
def test_every_packaged_template_has_a_place_for_all(name: str) -> None:
    for code in load_template(name).blocks:
        renderer = TemplateRenderer(load_template(name), "</s>", "prompt")
        text = renderer.prompt((user("QQQ", "III", code),))[0].text
        assert text.index("QQQ") < text.index("III")
        assert "QQQ" in renderer.prompt((user("QQQ", "", code),))[0].text


BLOCK = (
    "{preamble: '', preamble_with_input: '', user: '{text}', user_with_input: '{text}{input}', answer: ''}"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("en: [", "not YAML"),
        ("- en", "a mapping of language codes"),
        ("de: " + BLOCK, "needs the block `en`"),
        ("en: {user: '{text}'}", "must have exactly"),
        ("en: " + BLOCK.replace("{input}", ""), "no place for {input}"),
        ("en: " + BLOCK.replace("user: '{text}'", "user: ''"), "no place for {text}"),
        ("stops: '###'\nen: " + BLOCK, "`stops` must be a list"),
        ("xq: " + BLOCK, "unknown language 'xq'"),
    ],
)
def test_a_bad_template_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match=message) as caught:
        load_template(str(path))
    assert type(caught.value).__module__.startswith("calque")


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("between: '|'\nen: " + BLOCK, encoding="utf-8")
    renderer = TemplateRenderer(load_template(str(path)), "</s>")
    assert [s.text for s in renderer.segments((user("a"), answer("b"), user("c")))] == [
        "a",
        "b",
        "</s>",
        "|c",
    ]


def test_unknown_names() -> None:
    with pytest.raises(DataError, match="packaged are: alpaca, plain"):
        load_template("alpacca")
    with pytest.raises(DataError, match="no such template file"):
        load_template("nowhere.yaml")
