"""Hold one service for a run of tests: its servers are our children, and all end when the run does, however it ends.

python -m infra.hold SERVICE HOME LIB PID: started by the first test process that asks (infra/fixtures.py), one for all of them.
`ready.json` in HOME says where it is, or why it is not.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.place import Place, temporary_place
from infra.service import Service
from infra.services import FOR_TESTS

READY = "ready.json"


def main(arguments: Sequence[str]) -> None:
    """Start, tell, wait for the end of the run, stop."""
    name, home, lib, run = arguments
    end = os.pidfd_open(int(run))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    place = temporary_place(Path(home), Path(lib))
    service = FOR_TESTS[name](place)
    try:
        _tell(place, _start(place, service))
        select.select([end], [], [])
    finally:
        service.stop()


def _start(place: Place, service: Service) -> dict[str, object]:
    try:
        service.start(place, bound=True)
    except Exception as exc:  # whatever it is, the tests must be told rather than wait
        return {"fault": f"{type(exc).__name__}: {exc}"}
    return {"ports": dict(place.ports), "settings": dict(service.settings())}


def _tell(place: Place, what: dict[str, object]) -> None:
    draft = place.home / "ready.tmp"
    draft.write_text(json.dumps(what))
    draft.replace(place.home / READY)


if __name__ == "__main__":
    main(sys.argv[1:])
