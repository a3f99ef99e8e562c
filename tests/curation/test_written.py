"""What a model writes around an instruction is no part of it."""

from __future__ import annotations

import pytest

from calque.curation.written import plain


@pytest.mark.parametrize(
    ("written", "instruction"),
    [
        ("Describe a fox.", "Describe a fox."),
        ('"Describe a fox."', "Describe a fox."),
        ("**Instruction:** Describe a fox.", "Describe a fox."),
        ("The English instruction: “Describe a fox.”", "Describe a fox."),
        ("<think>A fox?\nYes.</think>\n\nDescribe a fox.", "Describe a fox."),
        ("<think>A fox that never", ""),
        ('"Fox" and "wolf": what are they?', '"Fox" and "wolf": what are they?'),
        ('Say "fox"', 'Say "fox"'),
        ("'Tis a fox. What is it?", "'Tis a fox. What is it?"),
        ("", ""),
    ],
)
def test_the_instruction_alone_is_left(written: str, instruction: str) -> None:
    assert plain(written) == instruction
