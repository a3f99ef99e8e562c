"""Commands and settings, parsed."""

from __future__ import annotations

import pytest

from calque.chat.commands import Command, parse, told, with_language, with_settings, with_way
from calque.chat.talk import Manner
from calque.engines import Sampling
from calque.errors import CalqueError, UsageError

GREEDY = Manner("it")


def test_what_is_a_command() -> None:
    assert parse("Ciao /reset") is None
    assert parse("//etc/hosts?") is None
    assert parse("/reset") == Command("reset")
    assert parse("/system a, b") == Command("system", "a, b")
    assert parse("/exit") == Command("quit")
    with pytest.raises(UsageError, match="there is no command /resett"):
        parse("/resett")


def test_settings() -> None:
    drawn = with_settings(GREEDY, "temperature=0.5 top_p=0.9")
    assert drawn.sampling == Sampling(0.5, 0.9, 0, 0)
    assert with_settings(drawn, "seed=4 max_tokens=9").sampling == Sampling(0.5, 0.9, 0, 4)
    assert with_settings(drawn, "max_tokens=9").max_tokens == 9
    assert with_settings(drawn, "temperature=0").sampling is None
    assert with_settings(GREEDY, "seed=4").sampling is None
    assert with_settings(GREEDY, "top_k=4").sampling == Sampling(1.0, 1.0, 4, 0)
    for words in ("heat=1", "top_p=2", "temperature=x", "max_tokens=0", "temperature"):
        with pytest.raises(UsageError):
            with_settings(GREEDY, words)


def test_language_and_way() -> None:
    assert with_language(GREEDY, "Chinese").language == "zh"
    assert with_way(GREEDY, "chat").way == "chat"
    with pytest.raises(CalqueError):
        with_language(GREEDY, "xx")
    with pytest.raises(UsageError, match="direct, chat, pivot"):
        with_way(GREEDY, "pivott")


def test_told() -> None:
    assert told(GREEDY) == "Italian, greedy, at most 512 tokens"
    drawn = with_way(with_settings(GREEDY, "temperature=0.5 seed=2"), "chat")
    assert (
        told(drawn) == "Italian, answers: chat, temperature 0.5, top_p 1, top_k 0, seed 2, at most 512 tokens"
    )
