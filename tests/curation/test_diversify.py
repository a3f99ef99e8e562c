"""Equal shares of clusters that pass on what they lack; the best of each; never fewer than asked; the same by seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.curation.diversify import clustered, diversify, equal_shares
from calque.curation.embedding import embed
from calque.curation.instructions import near_duplicate_instructions, verb_noun, verb_nouns
from calque.curation.selection import ordered, wanted
from calque.records import CrossLingualPair, Provenance


def test_a_dry_cluster_passes_its_share_on() -> None:
    assert equal_shares([10, 10, 10], 9) == [3, 3, 3]
    assert equal_shares([10, 1, 10], 9) == [4, 1, 4]
    assert equal_shares([10, 1, 2, 10], 14) == [6, 1, 2, 5]
    assert equal_shares([5, 5], 3) == [2, 1]
    assert equal_shares([], 0) == []


@given(st.lists(st.integers(0, 30), max_size=12), st.integers(0, 200))
def test_shares_are_as_equal_as_can_be(sizes: list[int], count: int) -> None:
    if count > sum(sizes):
        with pytest.raises(ValueError, match="of"):
            equal_shares(sizes, count)
        return
    shares = equal_shares(sizes, count)
    assert sum(shares) == count
    assert all(0 <= share <= size for share, size in zip(shares, sizes, strict=True))
    level = max(shares, default=0)
    assert all(share == size or share >= level - 1 for share, size in zip(shares, sizes, strict=True))


TOPICS = {
    "recipe": "Write a recipe for {} soup with herbs and salt",
    "river": "Describe the river {} and the towns on its banks",
    "poem": "Compose a poem in rhymes about {} at night",
}
WORDS = ["carrot", "fish", "leek", "bean", "onion", "pea", "rice", "beet", "corn", "kale", "lentil", "potato"]


def instructions() -> list[str]:
    """Forty recipes, eight rivers, four poems."""
    amounts = {"recipe": 40, "river": 8, "poem": 4}
    return [
        TOPICS[topic].format(f"{WORDS[i % 12]} {WORDS[(i * 5 + 1) % 12]} {i}")
        for topic, amount in amounts.items()
        for i in range(amount)
    ]


def test_the_same_from_each_cluster_and_the_best_of_it() -> None:
    texts = instructions()
    ratings = [3 - i / 100 for i in range(len(texts))]  # the recipes first
    found = diversify(texts, ratings, 15, clusters=6, seed=0)
    taken = [texts[i].split()[0] for i in found.taken]
    assert Counter(texts[i].split()[0] for i in range(15)) == {"Write": 15}
    assert Counter(taken)["Describe"] >= 2
    assert Counter(taken)["Compose"] >= 2
    for verb in ("Describe", "Compose"):  # of each topic its best, where it makes clusters of its own
        first = next(i for i, text in enumerate(texts) if text.startswith(verb))
        assert first in found.taken
    assert list(found.taken) == sorted(found.taken)
    assert found.figures["taken"]["clusters"] == 6 > found.figures["best"]["clusters"]
    assert found == diversify(texts, ratings, 15, clusters=6, seed=0)


@given(st.integers(0, 60), st.integers(1, 9), st.integers(0, 3))
def test_never_fewer_than_asked(count: int, clusters: int, seed: int) -> None:
    texts = instructions()[::2]
    found = diversify(texts, [1.0] * len(texts), count, clusters=clusters, seed=seed)
    assert len(found.taken) == len(set(found.taken)) == min(count, len(texts))


@pytest.mark.parametrize("by", ["minibatch", "faiss"])
def test_heaps_far_apart_are_clusters(by: str) -> None:
    if by == "faiss":
        pytest.importorskip("faiss", reason="faiss is an extra that is not installed")
    around = np.random.Generator(np.random.PCG64(0)).normal(0, 0.01, (300, 8)).astype(np.float32)
    heap = np.arange(300) % 3
    vectors = around + np.eye(8, dtype=np.float32)[heap] * 10
    labels = clustered(vectors, 3, by=by, seed=7)  # type: ignore[arg-type]
    assert len({(one, other) for one, other in zip(heap.tolist(), labels.tolist(), strict=True)}) == 3
    assert (labels == clustered(vectors, 3, by=by, seed=7)).all()  # type: ignore[arg-type]
    assert set(clustered(np.ones((5, 8), dtype=np.float32), 3, by=by, seed=7).tolist()) == {0}  # type: ignore[arg-type]


def test_texts_without_words_and_all_alike() -> None:
    assert embed([], seed=0).shape[0] == 0
    assert not embed(["", "…", "?"], seed=0).any()
    found = diversify(["Sing."] * 5 + [""], [1.0] * 6, 4, seed=0)
    assert len(found.taken) == 4
    same = embed(["Write a poem on rain", "Write a poem on rain", "Name the capital of Peru"], seed=1)
    assert np.allclose(same[0], same[1])
    assert same[0] @ same[2] < 0.5


def test_verb_noun_and_near_duplicates() -> None:
    assert verb_noun("Please write a short poem about the sea.") == ("write", "poem")
    assert verb_noun("Why?") == ("why", "")
    assert verb_noun("…") == ("", "")
    assert verb_nouns(["Tell me a joke", "Tell us the joke!"]) == {("tell", "joke"): 2}
    long = "Write a long letter to your old friend in the city about the garden"
    assert near_duplicate_instructions([long, f"{long}.", "Name three rivers of Peru"]) == 1


def test_what_is_kept_first() -> None:
    def pair(response: str) -> CrossLingualPair:
        return CrossLingualPair("i", response, "it", Provenance("s", 1))

    pairs = [pair(text) for text in ("bbb", "a", "cccc", "dd")]
    ratings = [2.0, 3.0, 1.0, 2.5]
    assert ordered(pairs, ratings, "rating", seed=0) == [1, 3, 0, 2]
    assert ordered(pairs, ratings, "worst", seed=0) == [2, 0, 3, 1]
    assert ordered(pairs, ratings, "perplexity", seed=0) == [2, 0, 3, 1], "the least surprising first"
    assert ordered(pairs, None, "longest", seed=0) == [2, 0, 3, 1]
    drawn, turned = (ordered(some, None, "random", seed=0) for some in (pairs, pairs[::-1]))
    assert [pairs[i] for i in drawn] == [pairs[::-1][i] for i in turned]
    assert (wanted(0.25, 8), wanted("all", 8), wanted(3, 8), wanted(9, 8)) == (2, 8, 3, 8)
