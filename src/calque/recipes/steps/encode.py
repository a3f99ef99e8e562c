"""A mixture to token ids and loss mask, once for all epochs."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from calque.corpora.demonstration_files import read_demonstrations
from calque.corpora.writing import write_json, write_jsonl, write_text
from calque.recipes.resolved import ResolvedSystem
from calque.recipes.schema import ModelSettings
from calque.recipes.steps import Work


@dataclass(frozen=True)
class Encode:
    """Render every demonstration and tokenise it."""

    system: ResolvedSystem
    model_settings: ModelSettings
    template: str

    kind: ClassVar[Literal["encode"]] = "encode"
    model: ClassVar[Literal["tokenizer"]] = "tokenizer"
    resumes: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """`encode-SYSTEM`."""
        return f"encode-{self.system.name}"

    @property
    def settings(self) -> dict[str, Any]:
        """Template and limit."""
        return {
            **template_settings(self.model_settings),
            "max_tokens": self.system.tuning.max_tokens,
            "overlong": self.system.tuning.overlong,
        }

    @property
    def files(self) -> tuple[Path, ...]:
        """The template, if it is a file of one's own."""
        return template_files(self.template)

    @property
    def after(self) -> tuple[str, ...]:
        """The mixture."""
        return (f"mix-{self.system.name}",)

    def preflight(self) -> str:
        """Nothing to look at from outside."""
        return ""

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write the arrays, lengths.json, fertility.json, sample.json, dropped.jsonl and counts.json."""
        from calque.tuning.encode import (
            check_fits,
            check_stop_tokens,
            encode_demonstrations,
            sample_segments,
            write_encoded,
        )

        encoder = work.workshop.encoder
        rows = read_demonstrations(work.after[self.after[0]] / "demonstrations.jsonl")
        tuning = self.system.tuning
        encoding = encode_demonstrations(
            rows, encoder, max_tokens=tuning.max_tokens, overlong=tuning.overlong
        )
        encoded = encoding.arrays()
        lengths = [asdict(count) for _, count in sorted(encoding.counts.items())]
        fertility = [count.to_row() for _, count in sorted(encoding.texts.items())]
        truncated = sum(count.truncated for count in encoding.counts.values())
        check_stop_tokens(encoded, [encoder.stop_id], truncated)
        config, name = work.workshop.config, work.workshop.base.name
        context = getattr(config, "max_position_embeddings", None)
        check_fits(encoded, context, getattr(config, "vocab_size", None), name)
        write_encoded(encoded, work.folder)
        write_json(work.folder / "lengths.json", lengths)
        write_json(work.folder / "fertility.json", fertility)
        if encoding.first is not None:
            write_text(work.folder / "sample.json", sample_segments(encoder, encoding.first))
        write_jsonl(work.folder / "dropped.jsonl", (row.to_row() for row in encoding.rejected))
        reasons = Counter(row.reason for row in encoding.rejected)
        counts = {"rows": encoding.seen, "kept": len(encoded), "dropped": dict(sorted(reasons.items()))}
        write_json(work.folder / "counts.json", counts)
        work.progress(encoding.seen, encoding.seen)
        return {
            **counts,
            "tokens": int(encoded.offsets[-1]),
            "trained_tokens": int(encoded.trained.sum()),
            "truncated": truncated,
        }


def template_settings(settings: ModelSettings) -> dict[str, Any]:
    """What of the model's settings changes how a conversation is rendered."""
    own = settings.template.endswith((".yaml", ".yml"))
    return {
        "template": "a file" if own else settings.template,
        "template_language": settings.template_language,
    }


def template_files(template: str) -> tuple[Path, ...]:
    """The template, if it is a file of one's own."""
    return (Path(template),) if template.endswith((".yaml", ".yml")) else ()
