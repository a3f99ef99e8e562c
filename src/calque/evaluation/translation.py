"""Translation itself, from English (`translation`) or into it (`translation_into_english`), by chrF and BLEU.

Official files as they are: two text files whose lines go together (NTREX, Tatoeba, FLORES; the English one is known by
`en` or `eng` in its name), TMX (TICO-19), a table, or SEA-HELM's JSON lines. `chrf` (Popović 2015) and `bleu` (Papineni
et al. 2002) are sacrebleu's, of all sentences together, with its signature in the score's; intervals are by bootstrap over
the sentences. `chrf_sentences` is the mean of the sentences' own chrF: what two systems are compared by, pair by pair.

BLEU's words: sacrebleu's `zh` for Chinese; characters where it has no words of its own (Thai, Khmer, Lao, Burmese) or wants
a morphological analyser (Japanese, Korean: figures by `ja-mecab` and `ko-mecab` do not compare); else its `13a`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

from calque.corpora.files import form_of
from calque.corpora.json_rows import read_rows
from calque.corpora.pairs import PairFiles, read_pairs
from calque.demonstrations.wordings import wordings
from calque.errors import DataError, Problem
from calque.evaluation.answer_language import LANGUAGE
from calque.evaluation.benchmark import Benchmark, Grader, Pooled
from calque.evaluation.items import Item, Reply
from calque.evaluation.wording import Wording
from calque.records import Provenance, Rejected, SentencePair

_CHARACTERS = ("th", "km", "lo", "my", "ja", "ko")


def _read(
    files: Sequence[Path], language: str, wording: Wording, *, into_english: bool
) -> Iterator[Item | Rejected]:
    source, target = (language, "en") if into_english else ("en", language)
    told = wordings(wording.language).fill(wording.instruction, source, target)
    asked = replace(wording, instruction=told)
    for pair in _pairs(files, language):
        if isinstance(pair, Rejected):
            yield pair
            continue
        sentence, gold = (pair.target, pair.english) if into_english else (pair.english, pair.target)
        yield Item(
            id=str(pair.provenance.row),
            language=target,
            group="",
            question=sentence,
            conversation=asked.conversation(sentence),
            golds=(gold,),
            provenance=pair.provenance,
        )


def _pairs(files: Sequence[Path], language: str) -> Iterator[SentencePair | Rejected]:
    if len(files) == 2:
        english = _english(files)
        return read_pairs(PairFiles(language, english=english, target=files[files[0] == english]))
    if len(files) > 2:
        remedy = "give one file with both sides, or a file for each side"
        raise DataError(
            Problem(
                f"a translation has two sides, and there are {len(files)} files", str(files[0]), remedy=remedy
            )
        )
    if form_of(files[0]) not in (".jsonl", ".json", ".tmx", ".tsv", ".tab"):
        raise DataError(
            Problem(
                "only one side of the translation is given",
                str(files[0]),
                remedy="give the file of the other side too",
            )
        )
    if form_of(files[0]) == ".jsonl" and _is_seahelm(files[0]):
        return _seahelm(files[0], language)
    return read_pairs(PairFiles(language, path=files[0]))


def _english(files: Sequence[Path]) -> Path:
    """The one of two files that is English by its name: by its last part, else by any."""
    parts = [re.split(r"[._-]", re.sub(r"\.(gz|zst|txt)", "", path.name)) for path in files]
    for tokens in ([p[-1:] for p in parts], parts):
        found = [path for path, of in zip(files, tokens, strict=True) if {"en", "eng"} & set(of)]
        if len(found) == 1:
            return found[0]
    raise DataError(
        Problem(
            f"neither of {files[0].name} and {files[1].name} says alone by its name that it is English",
            str(files[0].parent),
            remedy="let the name of the English file end in .en or .eng",
        )
    )


def _is_seahelm(path: Path) -> bool:
    first = next(islice(read_rows(path), 1), None)
    return first is not None and not isinstance(first, Rejected) and "prompts" in first.value


def _seahelm(path: Path, language: str) -> Iterator[SentencePair | Rejected]:
    for row in read_rows(path):
        if isinstance(row, Rejected):
            yield row
            continue
        try:
            english, target = row.value["prompts"][0]["text"].strip(), row.value["label"].strip()
        except (KeyError, TypeError, IndexError, AttributeError):
            yield Rejected(path.name, row.row, "wrong_type", "no prompts[0].text and label", row.raw[:500])
            continue
        if english and target:
            yield SentencePair(english, target, language, Provenance(path.name, row.row))
        else:
            yield Rejected(path.name, row.row, "empty_side", "", row.raw[:500])


def tokenizer_of(language: str) -> str:
    """The name of sacrebleu's tokenizer for BLEU in a language."""
    return "zh" if language == "zh" else "char" if language in _CHARACTERS else "13a"


@cache
def _chrf() -> Any:
    from sacrebleu.metrics import CHRF

    return CHRF()


@cache
def _bleu(language: str) -> Any:
    from sacrebleu.metrics import BLEU

    return BLEU(tokenize=tokenizer_of(language), force=True)


def _sentence(item: Item, reply: Reply) -> dict[str, float]:
    return {"chrf_sentences": _chrf().sentence_score(reply.text, list(item.golds)).score / 100}


def _graders(_language: str) -> tuple[Grader, ...]:
    return (Grader("sacrebleu-chrf", ("chrf_sentences",), _sentence), LANGUAGE)


def _pooled(language: str) -> tuple[Pooled, ...]:
    return (_by("chrf", _chrf()), _by("bleu", _bleu(language)))


def _by(name: str, metric: Any) -> Pooled:
    """A metric of sacrebleu: the statistics of each sentence, and the score of their sums."""

    def counts(item: Item, reply: Reply) -> Sequence[float]:
        (found,) = metric._extract_corpus_statistics([reply.text], [[gold] for gold in item.golds])
        return [float(n) for n in found]

    def score(sums: Sequence[float]) -> Mapping[str, float]:
        return {name: float(metric._compute_score_from_stats(list(sums)).score) / 100}

    metric.corpus_score([""], [[""]])  # it has its signature after the first score alone
    return Pooled(str(metric.get_signature()).replace("|", ","), (name,), counts, score)


def _made(name: str, about: str, into_english: bool) -> Benchmark:
    def read(files: Sequence[Path], language: str, wording: Wording) -> Iterator[Item | Rejected]:
        return _read(files, language, wording, into_english=into_english)

    return Benchmark(
        name=name,
        about=about,
        form="translation",
        read=read,
        graders=_graders,
        pooled=_pooled,
        verdict="chrf_sentences",
        max_new_tokens=256,
        ending=".txt",
        examples=(("devtest", "dev"),),
    )


TRANSLATION = _made(
    "translation",
    "parallel text, translated from English: a file for each side, TMX, TSV or JSON lines",
    False,
)
TRANSLATION_INTO_ENGLISH = _made("translation_into_english", "the same, translated into English", True)
