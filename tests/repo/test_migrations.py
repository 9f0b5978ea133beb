"""Two steps written side by side must follow each other: a history with two ends cannot be applied."""

from __future__ import annotations

import pytest

from ims.adapters.sql.migrate import head


@pytest.mark.parametrize("kind", ["lane", "registry"])
def test_a_history_has_one_end(kind):
    assert head(kind)
