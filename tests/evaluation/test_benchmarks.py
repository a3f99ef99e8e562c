"""The table of benchmarks: one row makes a benchmark known to recipes, and nothing heavy stands behind it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from calque.errors import DataError
from calque.evaluation.benchmarks import BENCHMARKS, benchmark_of
from calque.evaluation.wording import wording
from calque.recipes.schema import ONLY_OPTIONS, Evaluate


def test_every_row_is_a_setting_of_recipes_that_says_what_files_it_takes() -> None:
    fields = Evaluate.model_fields
    for name, made in BENCHMARKS.items():
        assert (made.name, fields[name].description) == (name, made.about)
        assert made.about
        assert made.form is None or wording(made.form, "en").instruction
        assert (name in ONLY_OPTIONS) == (not made.writes)
    assert "mmlu_cloze" in ONLY_OPTIONS


def test_a_name_that_is_none_is_told_with_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'xquad'"):
        benchmark_of("xqad")


def test_the_table_loads_nothing_heavy() -> None:
    code = (
        "import sys, calque.evaluation.benchmarks\n"
        "heavy = {'torch', 'transformers', 'numpy', 'pyarrow', 'budoux', 'sacrebleu', 'py3langid', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
