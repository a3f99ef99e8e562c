"""Where the official files of benchmarks are usually found in a folder of data, by their names, and how to get them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calque.languages import language as language_of

FLORES_SCRIPTS = {"Hans": ("Hans", "Hant")}
AS_OTHERS_SAY = {"ja": ("jp",), "zh": ("zh-s", "zho-CN"), "ar": ("arb",), "sw": ("swh",)}


@dataclass(frozen=True, slots=True)
class Official:
    """The usual names of a benchmark's files, the best first, and where they come from.

    {code}, {name} (English, or the language's own), {iso} (`deu`) and {flores} (`deu_Latn`) stand for the language. Two
    patterns in one place are two files that go together, one of each. `in_english` is false where there is nothing to ask in English.
    """

    patterns: tuple[str | tuple[str, str], ...]
    source: str
    in_english: bool = True


_PARALLEL = Official(
    (
        ("**/flores*/devtest/eng_Latn.devtest*", "**/flores*/devtest/{flores}.devtest*"),
        "**/flores*/**/en_to_{flores}.jsonl*",
        ("**/newstest2019-src.eng.txt*", "**/newstest2019-ref.{iso}.txt*"),
        ("**/tatoeba.{iso}-eng.eng*", "**/tatoeba.{iso}-eng.{iso}*"),
    ),
    "FLORES-200, github.com/MicrosoftTranslator/NTREX, or github.com/facebookresearch/LASER (Tatoeba)",
    in_english=False,
)
OFFICIAL = {
    "xquad": Official(("**/xquad.{code}.json*",), "github.com/google-deepmind/xquad"),
    "mlqa": Official(
        ("**/test-context-*-question-{code}.json*", "**/dev-context-*-question-{code}.json*"),
        "github.com/facebookresearch/MLQA",
    ),
    "mmlu": Official(
        ("mmlu-{code}", "mmlu_{code}", "mmlu/{code}", "mmlu.{code}"),
        "github.com/hendrycks/test (English), a translation in the same form",
    ),
    "bbh": Official(
        ("bbh-{code}", "bbh_{code}", "bbh/{code}", "bbh.{code}"),
        "github.com/suzgunmirac/BIG-Bench-Hard, folder bbh",
    ),
    "xnli": Official(
        ("**/xnli.test.tsv*", "**/xnli/**/test-{code}.tsv*", "**/xnli/**/dev-{code}.tsv*"),
        "github.com/facebookresearch/XNLI",
    ),
    "xcopa": Official(
        ("**/xcopa/**/data/{code}/test.{code}.jsonl*", "**/copa-{code}/test-{code}.jsonl*"),
        "github.com/cambridgeltl/xcopa",
    ),
    "xstorycloze": Official(
        ("**/spring2016.val.{code}.tsv.split_20_80_eval.tsv*", "**/xstorycloze/**/*{code}*eval*.tsv*"),
        "XStoryCloze of XGLM's authors (the story cloze form asks for an agreement)",
    ),
    "xwinograd": Official(
        ("**/xwinograd/**/dataset.tsv*", "**/crosslingual_winograd/**/dataset.tsv*"),
        "github.com/yandex-research/crosslingual_winograd",
    ),
    "pawsx": Official(
        (
            "**/x-final/{code}/test_2k.tsv*",
            "**/pawsx/**/test-{code}*.tsv*",
            "**/pawsx/**/dev-{code}*.tsv*",
        ),
        "github.com/google-research-datasets/paws, folder pawsx",
    ),
    "belebele": Official(
        ("**/belebele/**/{flores}.jsonl*", "**/belebele/**/{code}_belebele*.jsonl*"),
        "github.com/facebookresearch/belebele",
    ),
    "global_mmlu": Official(
        ("**/global_mmlu*_{code}_test.jsonl*", "**/global-mmlu*/**/{code}/test*.jsonl*"),
        "Global-MMLU of Cohere Labs",
    ),
    "exams": Official(
        ("**/exams/**/*test*.jsonl*", "**/exams/**/*dev*.jsonl*"), "github.com/mhardalov/exams-qa"
    ),
    "tydiqa": Official(
        ("**/tydiqa.goldp.{code}.dev.json*", "**/tydiqa-goldp-v1.1-dev.json*"),
        "github.com/google-research-datasets/tydiqa",
    ),
    "mgsm": Official(("**/mgsm_{code}.tsv*",), "github.com/google-research/url-nlp, folder mgsm"),
    "msvamp": Official(("**/msvamp/**/test_{name}.json*",), "github.com/microsoft/MathOctopus"),
    "ifeval": Official(
        ("**/{code}_input_data.jsonl*", "**/{code}_sea_ifeval.jsonl*"),
        "github.com/lightblue-tech/M-IFEval",
    ),
    "translation": _PARALLEL,
    "translation_into_english": _PARALLEL,
    "language_confusion": Official(
        ("**/language[-_]confusion/**/{code}.csv*", "**/test_sets/*lingual/**/{code}.csv*"),
        "github.com/for-ai/language-confusion, test_sets",
    ),
    "open": Official(
        ("**/vicuna*/**/questions_{name}.jsonl*",), "github.com/FreedomIntelligence/MultilingualSIFT"
    ),
}
SUITES = {
    "crossalpaca": ("xquad", "mlqa", "mmlu", "bbh"),
    "xinstruction": ("xnli", "xcopa", "xstorycloze", "open"),
    "xcit": ("xquad", "mlqa", "mmlu", "open"),
    "all": tuple(OFFICIAL),
}  # what each paper measured; X-CIT's three objective benchmarks are our choice


def find(benchmark: str, code: str, folder: Path) -> list[Path]:
    """The files of a benchmark in a language, by the first of its usual names that is there."""
    if code == "en" and not OFFICIAL[benchmark].in_english:
        return []
    for pattern in OFFICIAL[benchmark].patterns:
        together = (pattern,) if isinstance(pattern, str) else pattern
        for filled in _filled(together, code):
            found = [
                sorted(path for path in folder.glob(one) if not path.name.startswith(".")) for one in filled
            ]
            if all(found):
                return found[0] if len(found) == 1 else [paths[0] for paths in found]
    return []


def _filled(patterns: tuple[str, ...], code: str) -> Iterator[tuple[str, ...]]:
    """The patterns for each way in which files name the language."""
    language = language_of(code)
    codes = (code, *AS_OTHERS_SAY.get(code, ()))
    long = [alias for alias in language.aliases if len(alias) == 3 and alias.isalpha()]
    scripts = FLORES_SCRIPTS.get(language.script, (language.script,))
    names = {
        "code": codes,
        "iso": (*long, *(name for name in codes if name not in (code, *long) and len(name) > 2)),
        "name": (language.name, language.native_name),
        "flores": tuple(f"{iso}_{script}" for iso in long for script in scripts),
    }
    key = next((key for key in names if any(f"{{{key}}}" in pattern for pattern in patterns)), "")
    if not key:
        yield patterns
    for value in names.get(key, ()):
        yield tuple(pattern.replace(f"{{{key}}}", value) for pattern in patterns)
