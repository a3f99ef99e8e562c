"""chrF and BLEU equal to sacrebleu's own, on real pairs; the forms of the files; whom the request names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU, CHRF

from calque.engines import Completion, Progress
from calque.errors import DataError
from calque.evaluation.asked import items_of
from calque.evaluation.evaluate import evaluate
from calque.records import Conversation


class Halves:
    """Gives the gold of every second item, and the sentence itself of the others."""

    identity = "halves"

    def __init__(self, golds: Sequence[str]) -> None:
        self.golds = golds
        self.said: list[str] = []

    def complete(
        self,
        conversations: Sequence[Conversation],
        *,
        max_new_tokens: int,  # noqa: ARG002
        progress: Progress | None = None,  # noqa: ARG002
    ) -> list[Completion]:
        asked = [str(conversation[-1].input) for conversation in conversations]
        self.said = [
            gold[:20] if i % 2 else text for i, (gold, text) in enumerate(zip(self.golds, asked, strict=True))
        ]
        return [Completion(text, 1, True) for text in self.said]


def ntrex(folder: Path, code: str) -> list[Path]:
    return [folder / "ntrex128" / f"newstest2019-{name}" for name in ("src.eng.txt", f"ref.{code}.txt")]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("code", "language", "name", "tokenizer"),
    [
        ("ita", "it", "translation", "13a"),
        ("zho-CN", "zh", "translation", "zh"),
        ("zho-CN", "zh", "translation_into_english", "13a"),
    ],
)
def test_scores_are_those_of_sacrebleu(
    data_folder: Path, tmp_path: Path, code: str, language: str, name: str, tokenizer: str
) -> None:
    files = ntrex(data_folder, code)
    items = items_of(name, files, language, limit=60).items
    engine = Halves([item.golds[0] for item in items])
    scores = evaluate(name, files, language, engine, model="m", out=tmp_path / "out", seed=0, limit=60)  # type: ignore[arg-type]
    found = {score.metric: score for score in scores}
    golds = [[item.golds[0] for item in items]]
    bleu = BLEU(tokenize=tokenizer)
    assert found["bleu"].value == pytest.approx(bleu.corpus_score(engine.said, golds).score / 100, rel=1e-12)
    assert found["chrf"].value == pytest.approx(
        CHRF().corpus_score(engine.said, golds).score / 100, rel=1e-12
    )
    assert f"|norm:nrefs:1,case:mixed,eff:no,tok:{tokenizer},smooth:exp,version:" in found["bleu"].signature
    assert found["chrf"].low < found["chrf"].value < found["chrf"].high
    assert scores[0].metric == "chrf_sentences"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("files", "language", "count", "gold"),
    [
        (["tatoeba-laser/tatoeba.ita-eng.*"], "it", 1000, None),
        (["flores200-seahelm/en_to_tha_Thai.jsonl.gz"], "th", 1012, None),
        (["tico19/*en-sw*"], "sw", 3071, None),
    ],
)
def test_official_forms(data_folder: Path, files: list[str], language: str, count: int, gold: None) -> None:
    found = items_of("translation", [data_folder / name for name in files], language)
    assert len(found.items) + len(found.dropped) == count
    assert len(found.dropped) < count / 50


@pytest.mark.parametrize(
    ("name", "prompt_language", "asked"),
    [
        ("translation", "item", "Traduci in italiano il testo seguente. Scrivi solo la traduzione."),
        ("translation", "en", "Translate the following text from English into Italian. Reply only with the translation."),
        ("translation_into_english", "item", "Traduci in inglese il testo seguente. Scrivi solo la traduzione."),
    ],
)  # fmt: skip
def test_the_request_names_the_language(tmp_path: Path, name: str, prompt_language: str, asked: str) -> None:
    (tmp_path / "a.en").write_text("The dog.\n", encoding="utf-8")
    (tmp_path / "a.it").write_text("Il cane.\n", encoding="utf-8")
    files = [tmp_path / "a.it", tmp_path / "a.en"]
    (item,) = items_of(name, files, "it", prompt_language=prompt_language).items
    assert item.conversation[0].text == asked
    into_english = name.endswith("english")
    assert (item.question, item.golds) == (
        ("Il cane.", ("The dog.",)) if into_english else ("The dog.", ("Il cane.",))
    )
    assert item.language == ("en" if into_english else "it")


def test_a_side_that_is_missing_or_nameless_is_told(tmp_path: Path) -> None:
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text("x\n", encoding="utf-8")
    with pytest.raises(DataError, match="only one side"):
        items_of("translation", [tmp_path / "one.txt"], "it")
    with pytest.raises(DataError, match="says alone by its name that it is English"):
        items_of("translation", [tmp_path / "one.txt", tmp_path / "two.txt"], "it")
