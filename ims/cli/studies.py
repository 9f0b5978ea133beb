"""Runs the commands in docs/scaling.md again, and writes what they print below them: `make studies`.

A study is a `sh` block that begins with `.venv/bin/ims scale simulate`, and the `text` block that follows it. tests/ims/cli/test_studies.py
compares the two, so a number in knative/autoscaling.yaml is not changed without its studies.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "scaling.md"
STUDY = re.compile(r"```sh\n\.venv/bin/ims (?P<command>scale simulate [^`]*)\n```\n\n```text\n(?P<said>[^`]*)```\n")


def options(command: str, *, plot: bool = True) -> list[str]:
    """The words of a command in the document; its lines may end in a backslash."""
    words = shlex.split(command.replace("\\\n", " "))
    if not plot and "--plot" in words:
        at = words.index("--plot")
        del words[at : at + 2]
    return words


def said(words: list[str]) -> str:
    """What it prints, run where the document stands."""
    from typer.testing import CliRunner

    from ims.cli.main import app

    with contextlib.chdir(ROOT):
        found = CliRunner().invoke(app, words, catch_exceptions=False)
    if found.exit_code:
        raise RuntimeError(f"{shlex.join(words)}: {found.output}")
    return "".join(f"{line.rstrip()}\n" for line in found.output.strip("\n").splitlines())


def main() -> int:
    """Write what is said now, and draw the pictures."""
    text = DOCUMENT.read_text()

    def again(study: re.Match[str]) -> str:
        return study[0].replace(f"```text\n{study['said']}", f"```text\n{said(options(study['command']))}")

    fresh = STUDY.sub(again, text)
    if fresh != text:
        DOCUMENT.write_text(fresh)
        sys.stdout.write(f"rendered {DOCUMENT.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
