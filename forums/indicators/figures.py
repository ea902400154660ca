"""A value as it was published, read as a number: « 1 234,5 », « 76 % ».

Values are kept as they were written; only a chart needs numbers. What could be read in two ways, or is
not a number, is none: it stays in the table.
"""

import re

_NUMBER = re.compile(r"[+-]?(\d{1,3}( \d{3})+|\d+)([,.]\d+)?")
_SPACES = re.compile("[\u00a0\u2009\u202f ]+")


def number(text: str, unit: str = "") -> float | None:
    """The number a value stands for, with or without its unit behind it."""
    plain = _SPACES.sub(" ", text).strip().replace("\u2212", "-")
    for behind in (_SPACES.sub(" ", unit).strip(), "%", "€"):
        if behind and plain.lower().endswith(behind.lower()):
            plain = plain[: -len(behind)].strip()
            break
    if not _NUMBER.fullmatch(plain) or len(plain) > 20:
        return None
    # « 12.000 » is twelve thousand for some and twelve for others.
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}\.\d{3}", plain):
        return None
    return float(plain.replace(" ", "").replace(",", "."))
