"""Which code a step's key counts: all that can change what comes out, and nothing that cannot."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

import calque
from calque.recipes import code_version
from calque.recipes.code_version import digest_of, sources_of

PACKAGE = Path(calque.__file__).parent
KINDS = ("passages", "demonstrate", "contamination", "mix", "encode", "tune", "evaluate", "judge")


def test_a_mixture_depends_on_these_and_no_others() -> None:
    assert sources_of("mix") == (
        "corpora/demonstration_files.py",
        "corpora/files.py",
        "corpora/json_rows.py",
        "corpora/writing.py",
        "demonstrations/mixture.py",
        "randomness.py",
        "recipes/steps/mix.py",
        "records.py",
    )


@pytest.mark.parametrize(
    ("kind", "counts", "does_not"),
    [
        ("demonstrate", {"corpora/tmx.py", "prompts/translation"}, {"prompts/render.py"}),
        (
            "passages",
            {
                "curation/boilerplate.yaml",
                "near.py",
                "identify.py",
                "corpora/markup.py",
                "engines/loading.py",
            },
            {"prompts/encoding.py", "tuning/encode.py"},
        ),
        ("encode", {"prompts/chat.py", "prompts/templates", "tuning/encode.py"}, {"tuning/loop.py"}),
        ("tune", {"tuning/attention.py", "engines/loading.py"}, {"prompts/chat.py", "evaluation/bbh.py"}),
        (
            "evaluate",
            {"corpora/json_rows.py", "corpora/files.py", "recipes/steps/workshop.py", "prompts/benchmarks"},
            {"prompts/cross_lingual.yaml", "recipes/schema.py", "tuning/loop.py", "engines/server.py"},
        ),
        ("judge", {"prompts/judge", "engines/server.py", "evaluation/judge.py"}, {"tuning/loop.py"}),
    ],
)
def test_what_counts_for_a_kind_and_what_does_not(kind: str, counts: set[str], does_not: set[str]) -> None:
    found = set(sources_of(kind))
    assert counts <= found
    assert not does_not & found
    assert not {"errors.py", "cli.py"} & found


def test_a_changed_module_or_data_file_changes_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(PACKAGE, tmp_path / "calque", ignore=shutil.ignore_patterns("__pycache__")))
    monkeypatch.setattr(code_version, "_root", lambda: copy)
    fresh = digest_of.__wrapped__

    def now() -> dict[str, str]:
        return {kind: fresh(*sources_of(kind)) for kind in KINDS}

    before = now()
    (copy / "prompts/chat.py").write_text("# other\n", encoding="utf-8")
    assert {kind for kind in KINDS if now()[kind] != before[kind]} == {"encode", "evaluate", "judge"}
    before = now()
    (copy / "prompts/translation/it.yaml").write_text("wordings: []\n", encoding="utf-8")
    assert {kind for kind in KINDS if now()[kind] != before[kind]} == {
        "demonstrate",
        "contamination",
        "evaluate",
    }, "translation is a benchmark too"


def test_imports_have_the_forms_that_are_followed_and_readers_of_data_are_known() -> None:
    """Relative imports are not followed, and a module that reads the package's data must say which."""
    readers = set()
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).as_posix()
        text = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        assert not [n for n in nodes if isinstance(n, ast.ImportFrom) and n.level], name
        if "resources.files(" in text:
            readers.add(name)
    steps = {name for kind in KINDS for name in sources_of(kind)}
    assert readers & steps == set(code_version._DATA)
