"""How foreseeable a response is to a model that follows instructions: the perplexity filter that ratings are held against.

Of the response behind its instruction, as answers from the web are asked for in training. That it is conditional, and by
the follower tuned on the seed alone, is ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from calque.engines import Engine, Progress
from calque.prompts.cross_lingual import instruction_request
from calque.records import CrossLingualPair


def perplexities(
    engine: Engine,
    pairs: Sequence[CrossLingualPair],
    encode: Callable[[Sequence[str]], Sequence[Sequence[int]]],
    *,
    progress: Progress | None = None,
) -> list[float | None]:
    """Perplexity of each response: e to the mean of its tokens' negative log-likelihoods, the stop token left out.

    `encode` gives the tokens of responses. None for a pair that does not fit the model's context.
    """
    asked = [(instruction_request(p.instruction, p.input, p.language, "web"),) for p in pairs]
    responses = [pair.response for pair in pairs]
    scores = engine.choose(asked, [[response] for response in responses], progress=progress)
    tokens = encode(responses)
    return [math.exp(-row[0] / len(ids)) if row else None for row, ids in zip(scores, tokens, strict=True)]
