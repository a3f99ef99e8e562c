"""What a model that was not tuned for it writes, to the instruction in it: thoughts, a label and quotation marks are no part of it."""

from __future__ import annotations

import re

_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_LABEL = re.compile(r"\A[*#\s]*(?:the\s+)?(?:english\s+)?instruction[*\s]*:[*\s]*", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "«": "»", "'": "'", "`": "`"}


def plain(text: str) -> str:
    """The instruction alone. Thoughts that never end are all there is: then it is empty."""
    text = _THOUGHTS.sub("", text)
    if text.lstrip().startswith("<think>"):
        return ""
    text = _LABEL.sub("", text.strip()).strip()
    inside = text[1:-1]
    if len(text) > 2 and _QUOTES.get(text[0]) == text[-1] and not {text[0], text[-1]} & set(inside):
        return inside.strip()
    return text
