"""The card of an exported model: what it is, how it is asked, what it learnt from, how it scored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import calque
from calque.export.learnt import Learnt
from calque.languages import language as language_of
from calque.reports import numbers
from calque.reports.run import Score

UNKNOWN = "unknown"
VARIANTS = ("_calque", "_squad")  # the same metrics by other normalisers, which stand in the report


@dataclass(frozen=True)
class About:
    """What a card tells of a model.

    `base` is its name on the hub, or that of its folder; `form` is merged, adapter or full; `facts` are sentences about what was checked.
    """

    title: str
    base: str
    base_licence: str
    form: str
    system: str
    recipe: str
    seed: int
    languages: tuple[str, ...]
    template: str
    stop: str
    stop_strings: tuple[str, ...]
    lineage: Mapping[str, Any]
    learnt: Sequence[Learnt]
    scores: Sequence[Score]
    base_scores: Sequence[Score]
    facts: Sequence[str]
    ways: Sequence[str] = ("direct",)


def model_card(about: About) -> str:
    """README.md with front matter."""
    names = " and ".join(language_of(code).name for code in about.languages if code != "en")
    what = "an adapter for" if about.form == "adapter" else "a model made from"
    told = (
        f"This is {what} `{about.base}`, tuned to follow instructions in {names} by "
        f"calque {calque.__version__}: recipe `{about.recipe}`, system "
        f"`{about.system}`, seed {about.seed}.\n"
    )
    parts = [
        front_matter(_front(about)),
        f"# {about.title}\n",
        told,
        _usage(about),
        "## What it learnt from\n",
        *(part for stage in about.learnt for part in learnt_from(stage)),
        _licences(about),
        *_scored(about),
        "## How it was tuned\n",
        *_tuned(about.lineage),
        "## What was checked\n",
        *(f"- {fact}" for fact in about.facts),
        "",
    ]
    return "\n".join(parts)


def front_matter(values: Mapping[str, Any]) -> str:
    """The YAML between dashes that the hub reads."""
    return f"---\n{yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)}---\n"


def base_licence(folder: Path) -> str:
    """What the front matter of a model's own card calls its licence; empty where it says nothing."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
    if not text.startswith("---"):
        return ""
    try:
        values = yaml.safe_load(text.split("---")[1])
    except yaml.YAMLError:
        return ""
    found = values.get("license") if isinstance(values, dict) else None
    return found if isinstance(found, str) else ""


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return (
        "\n".join(f"| {' | '.join(str(cell).replace('|', '/') for cell in line)} |" for line in lines) + "\n"
    )


def learnt_from(stage: Learnt) -> Iterator[str]:
    """A stage's rows by view and languages, what was left out of it, and where the rows come from."""
    yield f"`{stage.system}`: {stage.kept:,} demonstrations" + (
        f", {stage.truncated:,} of them cut at the longest length.\n" if stage.truncated else ".\n"
    )
    kinds = [[kind, prompt, answer, f"{rows:,}"] for (kind, prompt, answer), rows in stage.kinds.items()]
    yield table(["view", "asked in", "answered in", "rows"], kinds)
    origins = [[name, licence or UNKNOWN, f"{rows:,}"] for (name, licence), rows in stage.origins.items()]
    yield table(["from", "licence", "rows"], origins)
    if stage.dropped:
        drops = [[step, reason, f"{n:,}"] for step, by in stage.dropped.items() for reason, n in by.items()]
        yield table(["left out at", "reason", "rows"], drops)


def _front(about: About) -> dict[str, Any]:
    known = {about.base_licence, *(licence for stage in about.learnt for licence in stage.licences)}
    licence = {"license": known.pop()} if len(known) == 1 and "" not in known else {}
    adapter = about.form == "adapter"
    return {
        "base_model": about.base,
        "base_model_relation": "adapter" if adapter else "finetune",
        "language": list(about.languages),
        **licence,
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["calque", about.recipe],
    }


def _usage(about: About) -> str:
    load = (
        "    from peft import PeftModel\n"
        f'    model = AutoModelForCausalLM.from_pretrained("{about.base}")\n'
        '    model = PeftModel.from_pretrained(model, "FOLDER")\n'
        if about.form == "adapter"
        else '    model = AutoModelForCausalLM.from_pretrained("FOLDER")\n'
    )
    text = (
        "## How it is asked\n\n"
        "    from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        '    tokenizer = AutoTokenizer.from_pretrained("FOLDER")\n'
        f"{load}"
        '    messages = [{"role": "user", "content": "..."}]\n'
        "    prompt = tokenizer.apply_chat_template(\n"
        '        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True\n'
        "    )\n"
        "    answer = model.generate(**prompt, max_new_tokens=256)[0, prompt['input_ids'].shape[1]:]\n"
        "    print(tokenizer.decode(answer, skip_special_tokens=True))\n\n"
        f"Its prompt form is `{about.template}`, which the chat template writes. A message may have an `input` beside its "
        f"content, as in Alpaca. An answer ends with `{about.stop}`"
    )
    if about.stop_strings:
        text += ", or before " + " or ".join(f"`{stop}`" for stop in about.stop_strings)
        text += " (give `stop_strings` to your server: a folder cannot say them)"
    text += ". Scores are of greedy answers.\n"
    others = [way for way in about.ways if way != "direct"]
    if others:
        text += f"\nIt was also scored by way of English ({', '.join(others)}), which `calque chat` can do.\n"
    return text


def _licences(about: About) -> str:
    known = {licence for stage in about.learnt for licence in stage.licences}
    data = ", ".join(sorted(licence or "rows whose licence is unknown" for licence in known))
    return f"Licences: base model: {about.base_licence or UNKNOWN}; data: {data}.\n"


def _scored(about: About) -> Iterator[str]:
    if not about.scores:
        return
    yield "## Scores\n"
    base = {(s.benchmark, s.language, s.metric): s for s in about.base_scores}
    rows = []
    scores = [score for score in about.scores if not score.metric.endswith(VARIANTS)]
    for score in scores:
        other = base.get((score.benchmark, score.language, score.metric))
        way = score.model.partition("@")[2] or "direct"
        rows.append(
            [
                score.benchmark,
                score.language,
                way,
                score.metric,
                f"{numbers.percent(score.value)} {numbers.interval(score.low, score.high)}",
                numbers.percent(other.value) if other is not None else numbers.UNKNOWN,
                f"{score.answered:,} of {score.n:,}",
                numbers.percent(score.ceiling),
            ]
        )
    head = [
        "benchmark",
        "language",
        "asked",
        "metric",
        "score, 95% interval",
        "base model",
        "answered",
        "ceiling",
    ]
    yield table(head, rows)
    others = len(about.scores) - len(scores)
    if others:
        yield f"{others} more, by other normalisers of answers, stand in the run's report.\n"
    yield "Signatures:\n"
    for signature, those in _by_signature(scores).items():
        yield f"- {', '.join(those)}: `{signature}`"
    yield ""


def _by_signature(scores: Sequence[Score]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for score in scores:
        name = f"{score.benchmark}.{score.language} {score.metric}"
        found.setdefault(score.signature, []).append(name)
    return found


def _tuned(lineage: Mapping[str, Any]) -> Iterator[str]:
    stages = lineage["stages"]
    if len(stages) > 1:
        way = " → ".join(
            [
                stages[0]["starts_from"],
                *(f"{s['system']} ({s['method']}; earlier adapter: {s['earlier_adapter']})" for s in stages),
            ]
        )
        yield f"In stages: {way}.\n"
    yield (
        f"Method {lineage['method']}, {lineage['trainable']:,} of {lineage['parameters']:,} parameters, in "
        f"{lineage['precision']}; base model sha256 `{lineage['base_sha256']}`.\n"
    )
    settings = json.dumps(lineage["settings"], ensure_ascii=False, indent=1).replace("\n", "\n    ")
    yield f"    {settings}\n"
