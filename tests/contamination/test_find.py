"""Questions found in training rows, in four scripts, by hand: as they are, inside longer texts, changed, and translated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.contamination.anchors import Anchors, alike
from calque.contamination.find import Asked, Finder, Measure
from calque.contamination.known import traps
from calque.contamination.prompts import fillings
from calque.contamination.tally import tally
from calque.contamination.text import sentences, squeezed, units
from calque.records import Demonstration, Message, Provenance

QUESTIONS = {
    "en": "Which river flows through the old town and divides it from the newer quarter on the other bank?",
    "ar": "ما هو النهر الذي يمر عبر المدينة القديمة ويفصلها عن الحي الجديد الواقع على الضفة الأخرى من المدينة؟",
    "zh": "哪一条河流穿过这座古老的城市并且把它和对岸比较新的那个城区分隔开来呢？",
    "th": "แม่น้ำสายใดไหลผ่านเมืองเก่าและแบ่งเมืองออกจากย่านใหม่ที่อยู่อีกฝั่งหนึ่ง",
}
OTHER = {
    "en": "Which mountain stands over the new harbour and hides it from the older villages on the other shore?",
    "ar": "ما هو الجبل الذي يطل على الميناء الجديد ويحجبه عن القرى القديمة الواقعة على الشاطئ الآخر؟",
    "zh": "哪一座高山耸立在新的港口旁边并且把它和对面更古老的村庄遮挡起来呢？",
    "th": "ภูเขาลูกใดตั้งอยู่เหนือท่าเรือใหม่และบดบังหมู่บ้านเก่าที่อยู่บนชายหาดด้านตรงข้าม",
}


def row(
    text: str, language: str = "en", *, material: str = "", answer: str = "Yes.", number: int = 1
) -> Demonstration:
    said = (
        Message("user", text, language, input=material),
        Message("assistant", answer, language, trained=True),
    )
    return Demonstration("instruction", said, Provenance("train.json", number))


def kinds(asked: list[Asked], *rows: Demonstration, measure: Measure | None = None) -> list[tuple[str, str]]:
    return [
        (hit.kind, asked[hit.asked].id) for hit in Finder(asked, measure).scan(rows) if hit.asked is not None
    ]


def test_what_is_compared() -> None:
    assert units("Don't go, U2!") == ["don", "t", "go", "u2"]
    assert units("İstanbul ＡＢ") == ["istanbul", "ab"]
    assert units("الكِتَابُ ١٢٣") == ["الكتاب", "123"]
    assert units("他在2012年去了NASA。") == ["他", "在", "2012", "年", "去", "了", "nasa"]
    assert units("น้ำดี") == ["น้ํ", "า", "ดี"], "sara am is two signs in NFKC"
    assert squeezed("A-b c!") == "abc"
    assert sentences("Chi? Il cane.\n什么？没有。") == ["Chi", " Il cane", "什么", "没有"]


@pytest.mark.parametrize("code", QUESTIONS)
def test_a_question_in_other_words_of_the_same_form(code: str) -> None:
    asked = [Asked("s", "q", code, QUESTIONS[code])]
    assert kinds(asked, row(QUESTIONS[code], code)) == [("same", "q")]
    assert kinds(asked, row(f"{OTHER[code]}\n{QUESTIONS[code]}\n{OTHER[code]}", code)) == [("overlap", "q")]
    assert kinds(asked, row("?", code, answer=f"{OTHER[code]} {QUESTIONS[code]}")) == [("overlap", "q")]
    assert kinds(asked, row(OTHER[code], code)) == []


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [("en", "river", "stream"), ("ar", "القديمة", "العتيقة"), ("zh", "河流", "江"), ("th", "สายใด", "อะไร")],
)
def test_a_word_is_changed(code: str, old: str, new: str) -> None:
    asked = [Asked("s", "q", code, QUESTIONS[code])]
    assert old in QUESTIONS[code]
    changed = QUESTIONS[code].replace(old, new)
    near_only = Measure(words=999, characters=999)
    assert kinds(asked, row(changed, code), measure=near_only) == [("near", "q")]
    assert kinds(asked, row(changed, code), measure=Measure(words=999, characters=999, near=1.0)) == []


def test_a_template_is_no_question_unless_what_fills_it_is_there() -> None:
    """Of 26 letters 23 are the same: 19 of 27 runs, 70%; of a name with the same beginning more."""
    names = ("Gino", "Matilde", "Pia", "Rocco", "Quinto", "Ines", "Bernd")
    asked = [Asked("s", name, "en", f"Write two sentences about {name}.") for name in names]
    assert kinds(asked[:6], row("Write two sentences about Grazia.")) == [("near", "Gino")], (
        "five others may be chance"
    )
    assert kinds(asked, row("Write two sentences about Grazia.")) == []
    assert kinds(asked, row("Write two sentences about Mattia.")) == []
    assert kinds(asked, row("Write two sentences about Mathilda.")) == []
    assert kinds(asked, row("Please write two sentences about Gino.")) == [("near", "Gino")]


def test_what_fills_a_template() -> None:
    asked, own = ["tellaboutgino", "tellaboutpia", "tellaboutrocco"], {"boutg", "outgi", "utgin", "tgino"}
    assert fillings(asked, 1, "tellaboutgino") == own
    assert fillings(asked, 2, "tellaboutgino") is None, "two others are no template yet"
    assert fillings([*asked, "tellaboutgina"], 2, "tellaboutgino") == own, "one other begins so"
    assert fillings([*asked, "tellaboutginoandgina"], 0, "tellaboutgino") == frozenset(), "nothing is its own"
    assert fillings(asked, 1, "whoisgino") is None


CONTEXT = {
    "en": "The dog lives in the wood behind the church, where it has slept under the same tree for eleven years now.",
    "zh": "那只狗住在教堂后面的树林里，它在同一棵树下已经睡了整整十一年，村里的人都认识它。",
}


@pytest.mark.parametrize(("code", "short"), [("en", "Who lives in the wood?"), ("zh", "谁住在树林里？")])
def test_a_short_question_needs_the_text_that_it_is_about(code: str, short: str) -> None:
    asked = [Asked("s", "q", code, short, CONTEXT[code])]
    assert kinds(asked, row(short, code)) == []
    assert kinds(asked, row(short, code, material=CONTEXT[code])) == [("same", "q")]
    assert kinds(asked, row("Answer. " + CONTEXT[code] + "\n" + short + "\nIn one word", code)) == [
        ("overlap", "q")
    ]
    assert kinds(asked, row("Translate.", code, material=CONTEXT[code])) == [("passage", "q")]


def test_options_in_another_layout() -> None:
    asked = [
        Asked(
            "s",
            "q",
            "en",
            "What is brass made of?",
            "Iron and carbon\nCopper and tin\nLead and zinc\nGold alone",
        )
    ]
    laid_out = "What is brass made of? A) Iron and carbon B) Copper and tin C) Lead and zinc D) Gold alone"
    assert kinds(asked, row(laid_out)) == [("overlap", "q")]
    assert kinds(asked, row("What is brass made of? A) Wood B) Straw C) Paper and glue D) Stone")) == []


def test_a_sum_is_no_question_by_its_digits() -> None:
    asked = [Asked("s", "q", "en", "-4 + (-3) =", "12\n1\n7\n-7")]
    assert kinds(asked, row("Count: 12, 1, 7. 4, 3. 43", answer="43: 12, 1, 7, 7")) == []


def test_half_of_a_long_question_is_enough_and_less_is_not() -> None:
    """Of 20 words there are 8 runs of 13: 16 words hold 4 of them, 15 words 3."""
    words = [f"word{i}" for i in range(20)]
    asked, measure = [Asked("s", "q", "en", " ".join(words))], Measure(near=1.0)
    assert kinds(asked, row(" ".join(words[:16])), measure=measure) == [("overlap", "q")]
    assert kinds(asked, row(" ".join(words[:15])), measure=measure) == []


def test_a_run_does_not_go_over_the_end_of_a_message() -> None:
    words = [f"word{i}" for i in range(26)]
    asked = [Asked("s", "q", "en", " ".join(words[:13]))]
    assert kinds(asked, row(" ".join(words[:7]), answer=" ".join(words[7:13]))) == []


def test_stock_phrases_lead_to_nothing() -> None:
    stock = " ".join(f"stock{i}" for i in range(30))
    asked = [Asked("s", f"q{i}", "en", f"{stock} thing{i}") for i in range(60)]
    assert kinds(asked, row(f"{stock} other")) == [], "sixty questions begin so"
    assert kinds(asked, row(f"{stock} thing7")) == [("same", "q7")]


TRANSLATED = {
    "en": "In 1955 the party won 348 seats, and by 1962 its leader Muhammad Rahman had 17,250 members in Dhaka and Berlin.",
    "de": "1955 gewann die Partei 348 Sitze, und bis 1962 hatte ihr Führer Muhammad Rahman 17.250 Mitglieder in Dhaka und Berlin.",
    "ar": "في عام ١٩٥٥ فاز الحزب ب٣٤٨ مقعدًا، وبحلول ١٩٦٢ كان لدى زعيمه ١٧٬٢٥٠ عضوًا في دكا وبرلين.",
    "zh": "1955年该党赢得348个席位，到1962年，其领袖在达卡和柏林拥有17250名成员。",
    "th": "ใน พ.ศ. 1955 พรรคได้ 348 ที่นั่ง และภายในปี 1962 ผู้นำมีสมาชิก 17,250 คนในธากาและเบอร์ลิน",
}


@pytest.mark.parametrize("code", ["de", "ar", "zh", "th"])
def test_numbers_and_names_tell_a_translation(code: str) -> None:
    asked = [Asked("s", "q", "en", "How many members?", TRANSLATED["en"])]
    assert kinds(asked, row("?", code, material=TRANSLATED[code])) == [("translation", "q")]
    other = (
        TRANSLATED[code]
        .replace("1955", "1855")
        .replace("348", "91")
        .replace("١٩٥٥", "١٨٥٥")
        .replace("٣٤٨", "٩١")
    )
    assert kinds(asked, row("?", code, material=other.replace("1962", "1870").replace("١٩٦٢", "١٨٧٠"))) == []
    assert (
        kinds(asked, row("?", code, material=TRANSLATED[code]), measure=Measure(across_languages=False)) == []
    )
    assert (
        kinds([Asked("s", "q", code, "?", TRANSLATED[code])], row("?", "en", material=TRANSLATED["en"])) != []
    )


def test_anchors_by_hand() -> None:
    found = Anchors.of("The lawyer Maria Rossi paid 1,250.50 to NASA in 2012, and 7 more.")
    assert found.numbers == {"125050", "2012"}
    assert found.names == {"maria", "rossi", "nasa"}
    other = Anchors.of("2012年，律师向NASA支付了1250.50元。")
    assert (other.numbers, other.names) == ({"125050", "2012"}, {"nasa"})
    assert alike(found, other) == (3, 1.0)


def test_the_same_question_in_another_language_is_aligned() -> None:
    asked = [
        Asked("xquad in en", "q1", "en", QUESTIONS["en"]),
        Asked("xquad in zh", "q1", "zh", QUESTIONS["zh"]),
        Asked("xquad in zh", "q2", "zh", OTHER["zh"]),
        Asked("mlqa in zh", "q1", "zh", OTHER["zh"]),
    ]
    hits = list(Finder(asked).scan([row(QUESTIONS["en"], number=5), row(QUESTIONS["en"] + "!", number=9)]))
    assert tally(asked, hits) == [
        {"set": "xquad in en", "asked": 1, "items": {"same": 1}, "rows": {"same": 2}},
        {"set": "xquad in zh", "asked": 2, "items": {"aligned": 1}, "rows": {}},
        {"set": "mlqa in zh", "asked": 1, "items": {}, "rows": {}},
    ]


def test_known_traps_are_named() -> None:
    told = list(
        traps(["dev-v1.1.squad.json", "squad-translate-train.it.jsonl", "alpaca.json"], ["xquad", "open"])
    )
    assert [line.split(":")[0] for line in told] == ["dev-v1.1.squad.json", "squad-translate-train.it.jsonl"]
    assert "XQuAD is 240 paragraphs of SQuAD v1.1's dev set" in told[0]
    assert "MLQA's translate-train holds translations of SQuAD" in told[1]
    assert list(traps(["dev-v1.1.squad.json"], ["mmlu"])) == []


WORDS = st.lists(
    st.sampled_from(["la", "casa", "mare", "tre", "河", "水", "كتاب", "7"]), min_size=0, max_size=40
)


@given(st.lists(WORDS, min_size=1, max_size=6), WORDS, WORDS)
def test_a_question_that_stands_in_a_row_is_always_found(
    questions: list[list[str]], before: list[str], after: list[str]
) -> None:
    measure = Measure(words=5, characters=8, across_languages=False)
    asked = [Asked("s", f"q{i}", "it", " ".join(words)) for i, words in enumerate(questions)]
    text = " ".join([*before, *questions[0], *after])
    found = {
        id_ for kind, id_ in kinds(asked, row(text, "it"), measure=measure) if kind in ("same", "overlap")
    }
    if len(units(" ".join(questions[0]))) >= 8:
        assert "q0" in found
    for hit in Finder(asked, measure).scan([row(text, "it")]):
        assert 0 < hit.share <= 1


SCRIPT = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_find import *
asked = [Asked("s", c, c, QUESTIONS[c], CONTEXT.get(c, "")) for c in QUESTIONS]
hits = Finder(asked).scan([row(q[:-3] + "x", c) for c, q in QUESTIONS.items()])
print(json.dumps([[h.kind, h.asked, h.share] for h in hits]))
"""


def test_every_process_finds_the_same() -> None:
    """Words are hashed by their letters, not by Python's hash, which is another one in each process."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)],
            env={**__import__("os").environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
    assert json.loads(outputs.pop())
