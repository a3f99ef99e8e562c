from __future__ import annotations

from importlib import resources
from string import Formatter

import pytest

from calque.demonstrations.wordings import wordings
from calque.errors import DataError

FOLDER = resources.files("calque.prompts") / "translation"
POOLS = sorted(entry.name.removesuffix(".yaml") for entry in FOLDER.iterdir())


def test_there_is_a_pool_in_every_language_of_the_paper() -> None:
    assert set(POOLS) >= {"en", "ar", "de", "es", "it", "zh"}


@pytest.mark.parametrize("code", POOLS)
def test_a_pool_is_large_and_each_wording_names_the_language_asked_for(code: str) -> None:
    pool = wordings(code)
    assert len(set(pool.texts)) == len(pool.texts) >= 20
    for text in pool.texts:
        fields = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        assert fields & {"into", "in", "name"}, text
    others = set(POOLS) - {"en"} if code == "en" else {"en"}
    for source, target in [(code, other) for other in others] + [(other, code) for other in others]:
        for number in range(len(pool.texts)):
            asked = pool.ask(number, source, target)
            assert asked.strip() == asked
            assert "{" not in asked


def test_prepositions_agree_with_the_language() -> None:
    italian = wordings("it")
    asked = [italian.ask(i, "it", "en") for i in range(len(italian.texts))]
    assert any("in inglese" in text for text in asked)
    assert not any("in l'inglese" in text or "dal italiano" in text for text in asked)


def test_a_language_without_a_pool_says_what_to_do() -> None:
    with pytest.raises(DataError, match=r"(?s)Urdu.*prompt_language to english; pools there are: .*en"):
        wordings("ur")
    with pytest.raises(DataError, match="how to say the language 'sw' in 'it' is not known"):
        wordings("it").ask(0, "it", "sw")
    assert "Swahili" in wordings("en").ask(0, "en", "sw")
