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

    {code}, {name} (English, or the language's own) and {flores} (`deu_Latn`) stand for the language.
    """

    patterns: tuple[str, ...]
    source: str


OFFICIAL = {
    "xquad": Official(("**/xquad.{code}.json*",), "github.com/google-deepmind/xquad"),
    "mlqa": Official(
        ("**/test-context-*-question-{code}.json*", "**/dev-context-*-question-{code}.json*"),
        "github.com/facebookresearch/MLQA",
    ),
    "mmlu": Official(
        ("mmlu-{code}", "mmlu_{code}", "mmlu/{code}"),
        "github.com/hendrycks/test (English), a translation in the same form",
    ),
    "bbh": Official(
        ("bbh-{code}", "bbh_{code}", "bbh/{code}"), "github.com/suzgunmirac/BIG-Bench-Hard, folder bbh"
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
    for pattern in OFFICIAL[benchmark].patterns:
        for filled in _filled(pattern, code):
            found = sorted(path for path in folder.glob(filled) if not path.name.startswith("."))
            if found:
                return found
    return []


def _filled(pattern: str, code: str) -> Iterator[str]:
    """The pattern for each way in which files name the language."""
    language = language_of(code)
    codes = (code, *AS_OTHERS_SAY.get(code, ()))
    long = [alias for alias in language.aliases if len(alias) == 3 and alias.isalpha()]
    scripts = FLORES_SCRIPTS.get(language.script, (language.script,))
    names = {
        "code": codes,
        "name": (language.name, language.native_name),
        "flores": tuple(f"{iso}_{script}" for iso in long for script in scripts),
    }
    key = next((key for key in names if f"{{{key}}}" in pattern), "")
    if not key:
        yield pattern
    for value in names.get(key, ()):
        yield pattern.replace(f"{{{key}}}", value)
