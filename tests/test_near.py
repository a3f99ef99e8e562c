from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import calque.near
from calque.near import near_duplicates, ngram_hashes, plain, rows_per_band, signature, signatures, similarity

THAI = "ลูกเสือเป็นสัตว์ป่าที่อาศัยอยู่ในป่าทึบของเอเชียตะวันออกเฉียงใต้และกินเนื้อเป็นอาหารหลักของมันทุกวัน"
CHINESE = (
    "维基百科是一个自由内容的百科全书，由来自世界各地的志愿者共同编写，任何人都可以参与编辑并改进其中的条目。"
)


def jaccard(one: str, other: str, n: int = 5) -> float:
    a, b = ({plain(text)[i : i + n] for i in range(len(plain(text)) - n + 1)} for text in (one, other))
    return len(a & b) / len(a | b)


def words(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return ["".join(draw.choices("abcdefghilmnoprstu", k=6)) for _ in range(count)]


def test_a_signature_is_the_same_in_every_run_and_on_every_machine() -> None:
    assert signature("Il gatto dorme sul divano.")[:3].tolist() == SIGNATURE
    assert (
        similarity(signature(" il GATTO  dorme\nsul divano."), signature("Il gatto dorme sul divano.")) == 1.0
    )


SIGNATURE = [153578870, 39937704, 2234704]


def test_ngrams_are_of_characters() -> None:
    assert len(ngram_hashes("abcdef")) == 2
    assert ngram_hashes("abcdef")[1] == ngram_hashes("bcdef")[0]
    assert len(ngram_hashes("abc")) == 1
    assert len(ngram_hashes("")) == 0
    assert len(ngram_hashes("😀a😀b😀")) == 1


@pytest.mark.parametrize("kept", [30, 60, 90, 110])
def test_agreement_estimates_jaccard_similarity(kept: int) -> None:
    """Over 20 pairs the mean is within 4 standard errors of the truth."""
    pairs = [(words(i, 120), words(100 + i, 120)) for i in range(20)]
    made = [(" ".join(one), " ".join(one[:kept] + other[kept:])) for one, other in pairs]
    truth = [jaccard(*pair) for pair in made]
    found = [similarity(signature(one), signature(other)) for one, other in made]
    error = 4 * np.sqrt(np.mean([j * (1 - j) for j in truth]) / 128 / len(made))
    assert abs(np.mean(found) - np.mean(truth)) < error


@given(st.text(max_size=60), st.text(max_size=60))
def test_similarity_is_one_of_a_text_with_itself_and_nought_of_nothing(one: str, other: str) -> None:
    a, b = signature(one), signature(other)
    assert similarity(a, a) == (1.0 if plain(one) else 0.0)
    assert similarity(a, b) == similarity(b, a)
    if plain(one) == plain(other) != "":
        assert similarity(a, b) == 1.0


def test_scripts_without_spaces_are_compared_too() -> None:
    for text in (THAI, CHINESE):
        near, far = text[:-4] + text[:4], text[::-1]
        assert jaccard(text, near) > 0.8
        assert near_duplicates(signatures([text, far, near]), threshold=0.7).tolist() == [-1, -1, 0]


def test_the_first_is_kept_and_named_and_a_dropped_one_drops_none() -> None:
    base = words(1, 100)
    a = " ".join(base)
    b = " ".join([*base[:90], *words(2, 10)])
    c = " ".join([*base[15:90], *words(2, 10), *words(3, 15)])
    assert jaccard(a, b) > 0.8
    assert jaccard(b, c) > 0.72
    assert jaccard(a, c) < 0.62
    rows = signatures([a, b, c, a, b])
    assert near_duplicates(rows, threshold=0.7).tolist() == [-1, 0, -1, 0, 0]


def test_fixed_rows_are_kept_and_others_held_against_them() -> None:
    rows = signatures([THAI, THAI, CHINESE, THAI, CHINESE[:-2], "nothing of the kind here"])
    assert near_duplicates(rows, threshold=0.7, fixed=3).tolist() == [-1, -1, -1, 0, 2, -1]


@given(st.lists(st.sampled_from([THAI, THAI[:-3], CHINESE, CHINESE[3:], "", "a", "b", "a "]), max_size=12))
def test_what_is_kept_is_like_no_other_kept_one(texts: list[str]) -> None:
    rows = signatures(texts)
    twins = near_duplicates(rows, threshold=0.6)
    kept = [i for i, twin in enumerate(twins) if twin < 0]
    assert all(similarity(rows[i], rows[j]) < 0.6 for i in kept for j in kept if i < j)
    assert all(twin < i and twins[twin] < 0 and similarity(rows[i], rows[twin]) >= 0.6
               for i, twin in enumerate(twins) if twin >= 0)  # fmt: skip


@pytest.mark.parametrize(
    ("threshold", "width"), [(0.5, 3), (0.7, 5), (0.8, 7), (0.9, 12), (0.05, 1), (1.0, 128)]
)
def test_bands_find_nearly_all_pairs_at_the_threshold(threshold: float, width: int) -> None:
    assert rows_per_band(threshold) == width


def test_no_texts() -> None:
    assert signatures([]).shape == (0, 128)
    assert near_duplicates(signatures([]), threshold=0.7).tolist() == []


@pytest.mark.parametrize("group", [2, 512])
@pytest.mark.parametrize("threshold", [0.3, 0.7])
def test_nothing_but_chance_is_put_aside(
    threshold: float, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against all pairs that share a band, one by one; 300 texts of 40 kinds, more or less alike."""
    monkeypatch.setattr(calque.near, "_GROUP", group)
    draw = np.random.default_rng(5)
    kinds = draw.integers(0, 2**32, (40, 128), dtype=np.uint32)
    rows = kinds[draw.integers(0, 40, 300)]
    other = draw.random((300, 128)) < draw.random((300, 1)) * 0.8
    rows = np.where(other, draw.integers(0, 2**32, rows.shape, dtype=np.uint32), rows)
    width = rows_per_band(threshold)
    bands = rows[:, : 128 // width * width].reshape(300, -1, width)
    expected: list[int] = []
    for row in range(300):
        kept = [i for i, twin in enumerate(expected) if twin < 0]
        near = (i for i in kept if (bands[i] == bands[row]).all(axis=1).any())
        expected.append(next((i for i in near if similarity(rows[i], rows[row]) >= threshold), -1))
    assert near_duplicates(rows, threshold=threshold).tolist() == expected
    assert 20 < expected.count(-1) < 280
