"""The files of the repository, and small worlds for tests."""

from __future__ import annotations

from importlib import resources

import pytest

from ims.scaling import measured
from ims.scaling.measured import Measured


@pytest.fixture(scope="session")
def costs() -> Measured:
    return measured.parse(resources.files("ims.scaling").joinpath("measured.yaml").read_text())
