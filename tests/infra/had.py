"""What of the machine these tests look at: installed programs (else a test is skipped by name, or fails on CI), living processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.needs import Need, missing
from infra.place import continuous_integration


def had(*needs: Need) -> None:
    """Go on only where all of these are installed."""
    if packages := missing(needs):
        said = f"not installed: {', '.join(packages)}"
        if continuous_integration():
            pytest.fail(said, pytrace=False)
        pytest.skip(said)


def lives(pid: int) -> bool:
    """It is there, and not only its exit code that nobody has fetched."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
