"""X-Instruction's views: what stands in each message, in which language, and which is trained on."""

from __future__ import annotations

from calque.demonstrations.cross_lingual import cross_lingual_demonstrations, reversed_demonstrations
from calque.demonstrations.rated import rated_demonstration
from calque.prompts.cross_lingual import rating_tokens
from calque.records import CrossLingualPair, Demonstration, Provenance

PAIR = CrossLingualPair(
    "Name a tree.", "Koivu", "fi", Provenance("seed.json", 7, "CC0"), input="of the {north}"
)


def said(demonstration: Demonstration) -> list[tuple[str, str, str, str, bool]]:
    return [(m.role, m.text, m.input, m.language, m.trained) for m in demonstration.messages]


def test_seed_and_web_are_asked_for_in_other_words() -> None:
    (seed,) = cross_lingual_demonstrations([PAIR], "seed")
    (web,) = cross_lingual_demonstrations([PAIR], "web")
    answer = ("assistant", "Koivu", "", "fi", True)
    request = ("Name a tree. Answer in Finnish, as an assistant would.", "of the {north}", "en", False)
    assert said(seed) == [("user", *request), answer]
    assert said(web) == [("user", "Name a tree. Answer in Finnish.", *request[1:]), answer]
    assert seed.languages == ("en", "fi", "fi")
    assert (seed.kind, seed.provenance) == ("cross-lingual", PAIR.provenance)


def test_reversed_asks_for_the_instruction_in_english() -> None:
    (made,) = reversed_demonstrations([PAIR])
    asked = "Write the instruction in English to which this text in Finnish is the answer."
    assert said(made) == [
        ("user", asked, "Koivu", "en", False),
        ("assistant", "Name a tree.\nof the {north}", "", "en", True),
    ]


def test_rated_is_trained_on_one_token() -> None:
    made = [rated_demonstration(PAIR, level) for level in (1, 2, 3)]
    assert [said(d)[1] for d in made] == [("assistant", token, "", "en", True) for token in rating_tokens()]
    text, material = made[0].messages[0].text, made[0].messages[0].input
    assert (
        text
        == "How well does the response follow the instruction and answer it in Finnish? Rate it with 1, 2 or 3."
    )
    assert material == "Instruction: Name a tree.\nof the {north}\n\nResponse: Koivu"
