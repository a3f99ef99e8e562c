"""Where the time of writing goes: shares of prompts, products, attention and the rest, for our engine on one thread.

    python benchmarks/step.py [--size 1.5M] [--prompts 128] [--tokens 128] [--out FILE]

The prompts and the model are those of `generation.py`. Attention is shown as it is and by MKL's batched products (`engines/one_token.py`), and how
many bytes of keys and values it reads a second beside those of a plain sum over memory, which is what it can reach at
most. Seconds are those of the processor, and the clocks are in them: a part that is called often looks a little larger than it is.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from common import Figures, arguments, write_figures
from generation import asked, load, make_model

from calque.engines import decode, one_token, step
from calque.engines.form import Layer
from calque.engines.transformers_engine import TransformersEngine

SIZES = ("1.5M", "10M")
PARTS = {
    "layers' products": ("query", "key", "value", "heard", "gate", "up", "thought"),
    "norms, activation": ("before", "between", "activation"),
}
SUMMED = 1 << 26  # numbers of a plain sum over memory: 256 MB


class Clocks:
    """Seconds by part, and bytes that attention has read."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.read = 0

    def on(self, part: str, what: Callable[..., Any]) -> Callable[..., Any]:
        """The same, its time counted; what runs inside of it and is counted itself is not taken off."""

        def timed(*given: Any, **options: Any) -> Any:
            began = time.process_time()
            found = what(*given, **options)
            self.seconds[part] += time.process_time() - began
            return found

        return timed

    def layer(self, layer: Layer) -> Layer:
        timed = {name: self.on(part, getattr(layer, name)) for part, names in PARTS.items() for name in names}
        return dataclasses.replace(layer, **timed)

    def attend(self, query: Any, key: Any, value: Any, mask: Any, scaling: Any, parts: Any) -> Any:
        groups, columns, size = key.shape[1:]
        read = sum((end - begin) * (columns - hidden) for begin, end, hidden in parts)
        self.read += 2 * read * groups * size * key.element_size()
        return plain_attend(query, key, value, mask, scaling, parts)


plain_attend = one_token.attend


@contextmanager
def clocked(clocks: Clocks) -> Iterator[None]:
    """Inside, what a step and its surroundings take is counted."""
    begin = step.Step.__init__

    def init(self: step.Step, *given: Any, **options: Any) -> None:
        begin(self, *given, **options)
        self.layers = [clocks.layer(layer) for layer in self.layers]
        self._head = clocks.on("head", self._head)

    with ExitStack() as stack:
        for place, name, new in (
            (step.Step, "__init__", init),
            (step, "attend", clocks.on("attention", clocks.attend)),
            (step, "rotated", clocks.on("rotation", step.rotated)),
            (step, "turn_of", clocks.on("rotation", step.turn_of)),
            (step.Columns, "update", clocks.on("newest columns", step.Columns.update)),
            (decode.Decoder, "_pick", staticmethod(clocks.on("choosing tokens", decode.Decoder._pick))),
            (decode.Decoder, "_enter", clocks.on("prompts", decode.Decoder._enter)),
        ):
            stack.enter_context(patch.object(place, name, new))
        yield


def shares(args: argparse.Namespace) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory() as folder:
        make_model(Path(folder), args.size)
        model, encoder = load(Path(folder))
    engine = TransformersEngine(model, encoder, "m")
    conversations = asked(args)
    engine.complete(conversations[:8], max_new_tokens=4)
    found: dict[str, Figures] = {}
    for name, alone in (("as it is", one_token.ALONE), ("attention by MKL", 0)):
        clocks = Clocks()
        with patch.object(one_token, "ALONE", alone), clocked(clocks):
            began = time.process_time()
            answers = engine.complete(conversations, max_new_tokens=args.tokens)
            seconds = time.process_time() - began
        parts = {part: 100 * its / seconds for part, its in clocks.seconds.most_common()}
        found[name] = {
            "tokens/s": sum(answer.tokens for answer in answers) / seconds,
            "GB/s of keys and values": clocks.read / clocks.seconds["attention"] / 1e9,
            **{f"{part}, %": share for part, share in parts.items()},
            "the rest, %": 100 - sum(parts.values()),
        }
    memory = torch.ones(SUMMED)
    began = time.process_time()
    memory.sum()
    found["a plain sum"] = {"GB/s": 4 * SUMMED / (time.process_time() - began) / 1e9}
    return found


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--size", choices=SIZES, default="1.5M")
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=128, help="new tokens, at most")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = shares(args)
    for name, row in found.items():
        print(f"{name}: " + "; ".join(f"{what} {number:,.1f}" for what, number in row.items()))
    write_figures(args.out, found)


if __name__ == "__main__":
    main()
