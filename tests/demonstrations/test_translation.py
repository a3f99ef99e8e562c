from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.demonstrations.translation import _draw, translation_demonstrations
from calque.demonstrations.wordings import wordings
from calque.errors import DataError
from calque.randomness import stream
from calque.records import Message, Provenance, SentencePair


def pairs(count: int) -> Iterator[SentencePair]:
    for i in range(count):
        yield SentencePair(f"one {i}", f"uno {i}", "it", Provenance("a.tsv", i + 1))


def direction(demonstration: object) -> str:
    prompt, _, answer = demonstration.languages  # type: ignore[attr-defined]
    return f"{prompt}->{answer}"


@given(
    there=st.integers(0, 60),
    share=st.floats(0, 1),
    seed=st.integers(0, 5),
    asked=st.none() | st.integers(0, 60),
)
def test_counts_are_exact_and_no_pair_serves_twice(
    there: int, share: float, seed: int, asked: int | None
) -> None:
    if asked is not None and asked > there:
        with pytest.raises(
            DataError, match=f"{asked} translations are asked for, and there are {there} sentence"
        ):
            translation_demonstrations(
                pairs(there), language="it", count=asked, share_into_target=share, seed=seed
            )
        return
    made = translation_demonstrations(
        pairs(there), language="it", count=asked, share_into_target=share, seed=seed
    )
    count = there if asked is None else asked
    into = round(count * share)
    assert len(made) == count
    assert len({d.provenance.row for d in made}) == count
    assert Counter(map(direction, made)) == +Counter({"en->it": into, "it->en": count - into})


def test_both_sides_stand_where_they_belong() -> None:
    [into] = translation_demonstrations(pairs(1), language="it", count=1, share_into_target=1.0, seed=0)
    assert into.kind == "translation"
    assert into.provenance == Provenance("a.tsv", 1)
    request, answer = into.messages
    assert (request.role, request.language, request.input, request.trained) == ("user", "en", "one 0", False)
    assert "Italian" in request.text
    assert answer == Message("assistant", "uno 0", "it", trained=True)
    [back] = translation_demonstrations(pairs(1), language="it", count=1, share_into_target=0.0, seed=0)
    request, answer = back.messages
    assert (request.language, request.input) == ("it", "uno 0")
    assert "inglese" in request.text
    assert answer == Message("assistant", "one 0", "en", trained=True)


@pytest.mark.parametrize(
    ("prompt_language", "languages"),
    [("source", ["en", "it"]), ("english", ["en", "en"]), ("target", ["it", "it"])],
)
def test_the_language_of_the_request_is_a_choice(prompt_language: str, languages: list[str]) -> None:
    made = translation_demonstrations(
        pairs(20),
        language="it",
        count=20,
        prompt_language=prompt_language,
        seed=0,  # type: ignore[arg-type]
    )
    by_answer = {d.languages[2]: d.languages[0] for d in made}
    assert [by_answer["it"], by_answer["en"]] == languages


def test_wordings_are_dealt_evenly() -> None:
    made = translation_demonstrations(pairs(200), language="it", count=200, share_into_target=1.0, seed=1)
    used = Counter(d.messages[0].text for d in made)
    size = len(wordings("en").texts)
    assert size >= 20
    assert len(used) == size
    assert max(used.values()) - min(used.values()) <= 1


def test_a_seed_gives_the_same_and_another_gives_another() -> None:
    def ids(seed: int) -> list[str]:
        return [d.id for d in translation_demonstrations(pairs(50), language="it", count=10, seed=seed)]

    assert ids(0) == ids(0)
    assert set(ids(0)) != set(ids(1))


def test_each_pair_is_drawn_equally_often() -> None:
    """3 of 10, 3,000 times: each is expected 900 times; 5 standard deviations are 125."""
    hits = Counter[int]()
    for seed in range(3000):
        drawn, seen = _draw(range(10), 3, stream(seed, "draw"))
        assert seen == 10
        hits.update(drawn)
    assert sum(hits.values()) == 9000
    assert all(abs(hits[i] - 900) < 125 for i in range(10)), hits


def test_memory_is_for_the_drawn_and_not_for_the_file() -> None:
    def peak(there: int) -> int:
        tracemalloc.start()
        made = translation_demonstrations(pairs(there), language="it", count=100, seed=0)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(made) == 100
        return most

    peak(200)  # what is loaded once
    assert peak(50_000) < 2 * peak(2_000)


def test_the_skips_of_the_draw_end() -> None:
    """The weight comes close to 0 in a long file, where the next drawn item is far away."""
    drawn, seen = _draw(range(200_000), 1, np.random.default_rng(0))
    assert (len(drawn), seen) == (1, 200_000)


def test_shuffled_pairs_keep_every_text_and_no_pairing() -> None:
    given = list(pairs(40))
    true, shuffled = (
        translation_demonstrations(given, language="it", count=30, seed=1, shuffled=mixed)
        for mixed in (False, True)
    )
    sides = [
        sorted(text for d in made for text in (d.messages[0].input, d.messages[1].text))
        for made in (true, shuffled)
    ]
    assert sides[0] == sides[1]
    known = {(p.english, p.target) for p in given} | {(p.target, p.english) for p in given}
    assert all((d.messages[0].input, d.messages[1].text) in known for d in true)
    assert not [d for d in shuffled if (d.messages[0].input, d.messages[1].text) in known]
