"""No statement of the records walks through a table, on a file and on a server, but those that are meant to."""

from __future__ import annotations

import random

import pytest

from bench.full_records import opened
from bench.query_plans import MAY_SCAN, looks


@pytest.mark.parametrize("kind", ["sqlite", "mariadb"])
def test_every_statement_goes_by_a_key_or_an_index(request, tmp_path, kind):
    rng = random.Random(1)
    where = f"sqlite:{tmp_path}" if kind == "sqlite" else request.getfixturevalue("mariadb").url + f"_{rng.randbytes(3).hex()}"
    with opened(where, 20_000, 5, rng, batch=2) as (lane, registry):
        found = looks(lane, registry, 1, rng)
    assert {look.name for look in found if look.scans} <= MAY_SCAN
    assert len(found) > 45 and all(look.statements for look in found)
