"""The table of benchmarks.

A recipe's settings are made from it (`evaluate.NAME`), so that it is imported when a recipe is read: what is heavy, a
module here imports where it uses it.
"""

from __future__ import annotations

import difflib

from calque.errors import DataError, Problem
from calque.evaluation.bbh import BBH
from calque.evaluation.belebele import BELEBELE
from calque.evaluation.benchmark import Benchmark
from calque.evaluation.exams import EXAMS
from calque.evaluation.global_mmlu import GLOBAL_MMLU
from calque.evaluation.ifeval import IFEVAL
from calque.evaluation.language_confusion import LANGUAGE_CONFUSION
from calque.evaluation.mgsm import MGSM
from calque.evaluation.mlqa import MLQA
from calque.evaluation.mmlu import MMLU
from calque.evaluation.mmlu_cloze import MMLU_CLOZE
from calque.evaluation.msvamp import MSVAMP
from calque.evaluation.open_questions import OPEN
from calque.evaluation.pawsx import PAWSX
from calque.evaluation.translation import TRANSLATION, TRANSLATION_INTO_ENGLISH
from calque.evaluation.tydiqa import TYDIQA
from calque.evaluation.xcopa import XCOPA
from calque.evaluation.xnli import XNLI
from calque.evaluation.xquad import XQUAD
from calque.evaluation.xstorycloze import XSTORYCLOZE
from calque.evaluation.xwinograd import XWINOGRAD

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        XQUAD,
        MLQA,
        TYDIQA,
        MMLU,
        MMLU_CLOZE,
        XNLI,
        XCOPA,
        XSTORYCLOZE,
        XWINOGRAD,
        PAWSX,
        BELEBELE,
        GLOBAL_MMLU,
        EXAMS,
        BBH,
        MGSM,
        MSVAMP,
        IFEVAL,
        TRANSLATION,
        TRANSLATION_INTO_ENGLISH,
        LANGUAGE_CONFUSION,
        OPEN,
    )
}


def benchmark_of(name: str) -> Benchmark:
    """The benchmark of that name; a `DataError` that says which there are."""
    if name not in BENCHMARKS:
        near = difflib.get_close_matches(name, BENCHMARKS, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise DataError(
            Problem(f"unknown benchmark {name!r}", remedy=f"{meant}there are: {', '.join(BENCHMARKS)}")
        )
    return BENCHMARKS[name]
