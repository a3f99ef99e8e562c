"""IFEval and its kin in other languages: whether an answer does what it was told, as far as a program can see.

Reads M-IFEval's and IFEval's own JSON lines ({key, prompt, instruction_id_list, kwargs}) and SEA-IFEval's ({id, prompts,
metadata, kwargs}); `instructions` says how each is checked. `prompt_strict`: all instructions of a prompt are followed;
`prompt_loose`: they are by some of the answer's eight loosened forms; `instruction_strict` and `instruction_loose`: the
share of followed instructions among all of them. `prompt_strict_in_language` also wants the language that was asked
for, as SEA-IFEval does, wherever there are words enough to tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from calque.corpora.json_rows import JsonRow, read_rows
from calque.evaluation.answer_language import in_language
from calque.evaluation.benchmark import Benchmark, Grader, Pooled
from calque.evaluation.instructions import Instruction, Rules, is_known, loosened
from calque.evaluation.items import Item, Reply, once
from calque.evaluation.source import is_utf8
from calque.evaluation.wording import Wording
from calque.languages import code_or_name
from calque.records import Message, Provenance, Rejected

_NO_SPACES = ("th", "lo", "km", "my")  # SEA-IFEval leaves out word counts there


def read(files: Sequence[Path], language: str, _wording: Wording) -> Iterator[Item | Rejected]:
    """The prompts; their instructions are the golds, as JSON.

    Reasons to put a row aside: `wrong_type`, `empty_question`, `duplicate_id`, `unknown_instruction`, `other_language`,
    `words_without_spaces`, `invalid_utf8`.
    """
    return once(
        row if isinstance(row, Rejected) else _item(row, path.name, language)
        for path in files
        for row in read_rows(path)
    )


def _item(row: JsonRow, file: str, language: str) -> Item | Rejected:
    def rejected(reason: str, detail: str) -> Rejected:
        return Rejected(file, row.row, reason, f"line {row.line}: {detail}", row.raw[:500])

    try:
        id_, prompt, told, rules, written = _fields(row.value)
    except (KeyError, TypeError, IndexError, AttributeError) as missing:
        return rejected("wrong_type", f"not a row of IFEval: {type(missing).__name__} {missing}")
    if not prompt.strip():
        return rejected("empty_question", id_)
    if not is_utf8(prompt + row.raw):
        return rejected("invalid_utf8", ascii(id_))
    if written and code_or_name(written) != language:
        return rejected("other_language", f"the row is in {written!r}")
    unknown = [name for name, _ in told if not is_known(name)]
    if unknown or not told:
        return rejected("unknown_instruction", ", ".join(unknown) or "none is given")
    if rules == "sea" and language in _NO_SPACES and told[0][0] == "length_constraints:number_words":
        return rejected("words_without_spaces", id_)
    return Item(
        id=id_,
        language=language,
        group=", ".join(dict.fromkeys(name for name, _ in told)),
        question=prompt,
        conversation=(Message("user", prompt, language),),
        golds=tuple(json.dumps([name, rules, wants], ensure_ascii=False) for name, wants in told),
        provenance=Provenance(file, row.row),
    )


def _fields(value: Any) -> tuple[str, str, list[tuple[str, dict[str, Any]]], Rules, str]:
    """(id, prompt, [(instruction, what it wants)], rules, language as written) of a row of either form."""
    if "instruction_id_list" in value:
        names = [str(name) for name in value["instruction_id_list"]]
        languages = {name.split(":")[0] for name in names if name.count(":") == 2}
        prompt, id_, rules = value["prompt"], value["key"], "ifeval"
        written = languages.pop() if len(languages) == 1 else ""
        names = [name.split(":", 1)[1] if name.count(":") == 2 else name for name in names]
    else:
        prompt, id_, rules = value["prompts"][0]["text"], value["id"], "sea"
        written, names = value["metadata"]["language"], [str(value["metadata"]["subcategory"])]
    wants = [{k: v for k, v in given.items() if v is not None} for given in value["kwargs"]]
    if len(wants) != len(names) or not isinstance(prompt, str):
        raise TypeError("kwargs do not fit the instructions")
    return (
        str(id_),
        prompt,
        list(zip(names, wants, strict=True)),
        "sea" if rules == "sea" else "ifeval",
        written,
    )


def instructions(item: Item) -> list[Instruction]:
    """The instructions of an item."""
    told = [json.loads(gold) for gold in item.golds]
    return [Instruction(name, wants, item.language, rules) for name, rules, wants in told]


def _followed(item: Item, reply: Reply) -> tuple[list[bool], list[bool]]:
    told, loose = instructions(item), loosened(reply.text)
    return (
        [one.is_followed(reply.text) for one in told],
        [any(one.is_followed(text) for text in loose) for one in told],
    )


def _prompt(item: Item, reply: Reply) -> dict[str, float]:
    strict, loose = _followed(item, reply)
    said = _in_language(item, reply)
    grades = {
        "prompt_strict": float(all(strict)),
        "prompt_loose": float(all(loose)),
        "prompt_strict_in_language": float(all(strict) and said is not False),
    }
    return grades if said is None else {**grades, "in_language": float(said)}


def _in_language(item: Item, reply: Reply) -> bool | None:
    asked = next(
        (one.asked_language for one in instructions(item) if one.asked_language != item.language), None
    )
    return in_language(reply.text, asked or item.language)


def _counts(item: Item, reply: Reply) -> tuple[float, ...]:
    strict, loose = _followed(item, reply)
    return (float(sum(strict)), float(sum(loose)), float(len(strict)))


def _shares(sums: Sequence[float]) -> Mapping[str, float]:
    strict, loose, told = sums
    return {"instruction_strict": strict / told, "instruction_loose": loose / told}


IFEVAL = Benchmark(
    name="ifeval",
    about="IFEval, M-IFEval or SEA-IFEval: JSON lines",
    form=None,
    read=read,
    graders=lambda _language: (
        Grader(
            "ifeval",
            ("prompt_strict", "prompt_loose", "prompt_strict_in_language", "in_language"),
            _prompt,
        ),
    ),
    pooled=lambda _language: (
        Pooled("ifeval", ("instruction_strict", "instruction_loose"), _counts, _shares),
    ),
    verdict="prompt_strict",
    max_new_tokens=1024,
    ending=".jsonl",
    shows=False,
)
