"""`make manifests`: writes knative/generated. Refuses a wrong number with its line, and to lose a consumer group of a release."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ims.errors import Misconfigured
from ims.manifests import groups
from ims.manifests.files import generated
from ims.manifests.files import groups as groups_now
from ims.scaling.settings import read

KNATIVE = Path(__file__).resolve().parents[2] / "knative"


def main(arguments: list[str], knative: Path = KNATIVE) -> int:
    """Exit code 1: refused, and nothing was written."""
    parser = argparse.ArgumentParser(prog="python -m ims.manifests", description=__doc__)
    parser.add_argument("--drop-group", action="append", default=[], metavar="GROUP", help="this consumer group of a release may go")
    parser.add_argument("--release", action="store_true", help="remember the present consumer groups as released")
    asked = parser.parse_args(arguments)
    record = knative / "released-groups.yaml"
    released = groups.read(record.read_text()) if record.exists() else {}
    now = groups_now()
    try:
        if lost := groups.lost(released, now, asked.drop_group):
            raise Misconfigured("\n".join([*lost, "Say --drop-group GROUP if it may go (ARGS='--drop-group GROUP' with make)."]))
        files = generated(read((knative / "autoscaling.yaml").read_text(), "knative/autoscaling.yaml"))
    except Misconfigured as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    _write(knative / "generated", files)
    kept = {source: group for source, group in released.items() if group not in asked.drop_group}
    if asked.release:
        kept |= now
    if kept != released:
        record.write_text(groups.dump(kept))
    return 0


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write what differs, remove what nothing makes any more."""
    for path in [p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in files]:
        path.unlink()
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    for path in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
