"""The tuned model of a run in the hub's form: merged, or as an adapter, with tokenizer, chat template and card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import calque
from calque.corpora.files import sha256_of
from calque.corpora.writing import write_json, write_text
from calque.errors import ModelError, Problem
from calque.export.card import About, base_licence, model_card
from calque.export.faithful import TRIED, Agreement, agreement
from calque.export.learnt import Learnt, learnt
from calque.export.placing import MARK, placed
from calque.prompts.encoding import Encoder
from calque.prompts.jinja import chat_template
from calque.recipes.steps.workshop import Workshop
from calque.recipes.tuned import RunSystem, Tuned
from calque.records import Demonstration
from calque.reports.folder import read_run

if TYPE_CHECKING:
    import torch

Form = Literal["merged", "adapter"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]


@dataclass(frozen=True)
class ModelExport:
    """How a model is to be written: `base_name` is what the base is called, where its folder's name does not say it."""

    form: Form = "merged"
    precision: Precision = "auto"
    shard: str = "5GB"
    base: str | None = None
    base_name: str | None = None
    force: bool = False


def export_model(tuned: Tuned, system: RunSystem, out: Path, asked: ModelExport) -> Iterator[str]:
    """Write the model of `system` into `out`, atomically; what is worth knowing is told line by line.

    Raises `ModelError` where the base is another than the model was tuned from, where merging is not exact, and where
    an adapter would not stand on the base model.
    """
    from calque.tuning.start import earlier_lineage

    step = system.step
    if step is None:
        raise ModelError(Problem(f"{system.name} is the base model itself", str(tuned.root)))
    with placed(out, force=asked.force) as folder:
        workshop = tuned.workshop(asked.base)
        lineage = earlier_lineage(step, workshop.weights_sha256)
        stages = [learnt(tuned.root, stage["system"]) for stage in lineage["stages"]]
        rows = stages[-1][0]
        if asked.form == "adapter":
            _adapter(step, lineage, folder, asked.base_name or workshop.base.label)
            fact = "The weights of the adapter are those of the run, byte for byte."
        else:
            fact = _merged(tuned, system, workshop, folder, asked)
        yield fact
        if (
            asked.form == "merged"
            and asked.precision == "auto"
            and lineage["method"] != "full"
            and "float32" not in fact
        ):
            yield "rounding of merged weights may change an answer now and then: --precision fp32 does not round them"
        code = system.language or tuned.recipe.languages[0]
        found = _tokenizer(workshop.encoder, folder, code, rows)
        yield _sentence(found)
        about = _about(tuned, system, workshop, lineage, [stage for _, stage in stages], asked)
        write_text(
            folder / "README.md",
            model_card(replace(about, title=out.absolute().name, facts=[fact, _sentence(found)])),
        )
        write_json(folder / "lineage.json", lineage)
        files = {p.name: sha256_of(p) for p in sorted(folder.iterdir()) if p.is_file()}
        mark = {"calque": calque.__version__, "kind": asked.form, "system": system.name}
        write_json(folder / MARK, {**mark, "languages": list(about.languages), "files": files})
        for path in folder.iterdir():  # weights come readable by their owner alone
            path.chmod((folder / MARK).stat().st_mode)
    if asked.base_name is None and Path(workshop.base.name).exists():
        yield f"the base model is called {workshop.base.label} in the card: say --base-name ORG/NAME for its name on the hub"
    yield f"{asked.form} model of {system.name}: {out}"


def _merged(tuned: Tuned, system: RunSystem, workshop: Workshop, folder: Path, asked: ModelExport) -> str:
    """Write the weights, and say in which precision and how it was checked."""
    import torch

    from calque.engines.loading import load_model
    from calque.engines.weights import stored_dtype
    from calque.tuning.adapt import weights_of
    from calque.tuning.encode import read_encoded
    from calque.tuning.start import COMPARED, TOLERANCE, first_rows, merged

    assert system.step is not None  # noqa: S101 — the caller's check, for the types
    under = weights_of(workshop.base, system.step)
    known = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    dtype = stored_dtype(under.folder) if asked.precision == "auto" else known[asked.precision]
    model: Any = load_model(under, dtype=dtype, device=_device(under.folder, dtype))
    name = str(dtype).removeprefix("torch.")
    if (system.step / "adapter").is_dir():
        encoded = read_encoded(tuned.root / "steps" / f"encode-{system.name}")
        model = merged(model, system.step / "adapter", first_rows(encoded))
        fact = (
            f"The adapter was merged in {name}; logits before and after were compared on {min(COMPARED, len(encoded))} rows "
            f"and are apart by no more than {TOLERANCE[dtype]:g} of the largest."
        )
    else:
        fact = f"All weights were tuned; they are stored in {name}."
    stop = workshop.encoder.stop_id
    model.generation_config = _generation(workshop, stop)
    model.save_pretrained(folder, max_shard_size=asked.shard)
    return fact


def _device(folder: Path, dtype: torch.dtype) -> torch.device:
    """The accelerator where it has room for the model and a half, else the CPU: a merge needs no speed."""
    import torch

    from calque.engines.device import best_device
    from calque.engines.weights import count_parameters

    device = best_device()
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        if count_parameters(folder) * dtype.itemsize * 1.5 < free:
            return device
    return torch.device("cpu")


def _generation(workshop: Workshop, stop: int) -> Any:
    """Greedy, as the scores are; answers end with the stop token, or where the base model's own end."""
    from transformers import GenerationConfig

    theirs: Any = None
    if (workshop.base.folder / "generation_config.json").is_file():
        theirs = GenerationConfig.from_pretrained(workshop.base.folder).eos_token_id
    ends = [stop, *(theirs if isinstance(theirs, list) else [theirs] if theirs is not None else [])]
    ends = list(dict.fromkeys(ends))
    pad = workshop.encoder.tokenizer.pad_token_id
    return GenerationConfig(
        do_sample=False,
        eos_token_id=ends if len(ends) > 1 else ends[0],
        pad_token_id=stop if pad is None else pad,
        bos_token_id=workshop.encoder.tokenizer.bos_token_id,
    )


def _adapter(step: Path, lineage: dict[str, Any], folder: Path, base: str) -> None:
    """Copy the adapter, with the base model under the name it has elsewhere."""
    if lineage["method"] == "full":
        message = "all weights were tuned, so there is no adapter"
        raise ModelError(Problem(message, str(step), remedy="leave --adapter out"))
    if (step / "start").is_dir():
        message = "this adapter stands on weights of an earlier stage, not on the base model"
        raise ModelError(Problem(message, str(step), remedy="leave --adapter out: merged, it needs no base"))
    for path in sorted((step / "adapter").iterdir()):
        shutil.copy2(path, folder / path.name)
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    write_json(folder / "adapter_config.json", {**config, "base_model_name_or_path": base})


def _tokenizer(encoder: Encoder, folder: Path, language: str, rows: list[Demonstration]) -> Agreement:
    """Write the tokenizer with its chat template, and try it as others will read it."""
    from transformers import AutoTokenizer

    template = chat_template(encoder, language)
    before = encoder.tokenizer.chat_template
    try:
        encoder.tokenizer.chat_template = template
        encoder.tokenizer.save_pretrained(folder)
    finally:
        encoder.tokenizer.chat_template = before
    theirs = AutoTokenizer.from_pretrained(folder)
    return agreement(encoder, theirs, (row.messages for row in rows[:TRIED]))


def _sentence(found: Agreement) -> str:
    return f"{found.told[0].upper()}{found.told[1:]}."


def _about(
    tuned: Tuned,
    system: RunSystem,
    workshop: Workshop,
    lineage: dict[str, Any],
    stages: list[Learnt],
    asked: ModelExport,
) -> About:
    scores = read_run(tuned.root).scores
    untuned = {s.name for s in tuned.systems if s.step is None and s.served is None}
    encoder = workshop.encoder
    languages = [system.language] if system.language else tuned.recipe.languages
    return About(
        title=system.name,
        base=asked.base_name or workshop.base.label,
        base_licence=base_licence(workshop.base.folder),
        form="full" if lineage["method"] == "full" else asked.form,
        system=system.name,
        recipe=tuned.recipe.name,
        seed=tuned.recipe.seed,
        languages=tuple(dict.fromkeys([*languages, "en"])),
        template=tuned.recipe.model.template.rsplit("/", 1)[-1],
        stop=str(encoder.tokenizer.convert_ids_to_tokens(encoder.stop_id)),
        stop_strings=tuple(encoder.renderer.stops),
        lineage=lineage,
        learnt=stages,
        scores=[s for s in scores if s.model.partition("@")[0] == system.name],
        base_scores=[s for s in scores if s.model in untuned],
        facts=[],
        ways=system.ways,
    )
