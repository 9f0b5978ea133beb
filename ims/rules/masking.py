"""How a number is shown: one rule everywhere, because two rules combined reveal it (domain 2.4, Bizgo's)."""

from __future__ import annotations


def masked(number: str) -> str:
    """At least 11 digits: the first 3 and last 4 stay; 8 to 10: half is hidden; shorter: all."""
    n = len(number)
    if n >= 11:
        return f"{number[:3]}{'*' * (n - 7)}{number[-4:]}"
    if n >= 8:
        hidden = (n + 1) // 2
        head = (n - hidden) // 2
        return f"{number[:head]}{'*' * hidden}{number[head + hidden :]}"
    return "*" * n
