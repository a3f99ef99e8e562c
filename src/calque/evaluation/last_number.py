"""The number that an answer ends with, in the digits and marks of any language.

Read after NFKC (so full-width digits are digits), in decimal digits of every script (١٢, ১২, ๑๒). A mark that parts
digits is taken so:

- before groups of three digits it marks thousands, be it `,` `.` `٬` `'` or a space that does not break (1,234;
  1.234.567), and so it is in Indian grouping (12,34,567). A lone mark before three digits might be a decimal mark in
  some language; here it never is, since no gold of MGSM or MSVAMP has three decimals, and answers in Spanish or German
  are found with either convention. Behind a lone zero (0,125) it is a decimal mark all the same.
- else `.` `,` or `٫` between digits is a decimal mark (3,5; 3.50; ٣٫٥); of two kinds of marks the last one is (1.234,5).

Numbers in words (drei, 三) are not read. A minus sign counts where it touches the number (or its currency) and neither a
word nor a number stands before it: `= -3` and `is -$3`, but not `5-3`, `5 -3` or `- 3` in a list.
"""

from __future__ import annotations

import unicodedata
from decimal import Decimal

import regex

_MARKS = r"[.,٫٬'’\u00a0\u2009\u202f]"
_NUMBER = regex.compile(rf"(?:(?<![\p{{L}}\p{{M}}\d)\]])(?<![\d)\]]\s)[-−][$€£¥₹฿]?)?\d+(?:{_MARKS}\d+)*")
_PARTS = regex.compile(rf"\d+|{_MARKS}")


def last_number(text: str) -> Decimal | None:
    """The last number of a text; None where there is none."""
    found = [*_NUMBER.finditer(_plain(text))]
    return _value(found[-1][0]) if found else None


def exact_number(text: str) -> Decimal | None:
    """A text that is a number and nothing else, as in the files of a benchmark; None where it is not."""
    match = _NUMBER.fullmatch(_plain(text).strip())
    return _value(match[0]) if match else None


def _plain(text: str) -> str:
    # NFKC would make plain spaces of those that part thousands
    kept = text.replace("\u00a0", "'").replace("\u2009", "'").replace("\u202f", "'")
    folded = unicodedata.normalize("NFKC", kept)
    return str(regex.sub(r"(?![0-9])\p{Nd}", lambda digit: str(unicodedata.decimal(digit[0], " ")), folded))


def _value(number: str) -> Decimal:
    sign = "-" if number[0] in "-−" else ""
    parts = _PARTS.findall(number)
    digits, marks = parts[::2], parts[1::2]
    if not marks:
        return Decimal(sign + digits[0])
    if _groups(digits) and len(set(marks)) == 1:
        return Decimal(sign + "".join(digits))
    if marks[-1] in ".,٫" and marks[-1] not in marks[:-1]:
        return Decimal(f"{sign}{''.join(digits[:-1])}.{digits[-1]}")
    return Decimal(sign + digits[-1])  # 1.2.3 is no number: a version or a date


def _groups(digits: list[str]) -> bool:
    """Whether digits are grouped by thousands: 1 234 567, or 12 34 567 as in India."""
    first, *middle, last = digits
    whole = len(first) <= 3 and first != "0" and len(last) == 3
    return whole and (
        all(len(d) == 3 for d in middle) or (len(first) <= 2 and all(len(d) == 2 for d in middle))
    )
