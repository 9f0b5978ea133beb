"""Skip a test by the name of what is not installed; on CI, where everything must be, fail it."""

from __future__ import annotations

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
