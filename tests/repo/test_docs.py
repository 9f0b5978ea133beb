"""Documents are held to the code: tables are rendered from it, paths and commands in them exist, examples run."""

from __future__ import annotations

import re
import runpy
import time
from pathlib import Path

import pytest
import typer

from ims.cli import docs
from ims.cli.main import app
from ims.rules.signing import new_secret, sign

from .tree import ROOT, name_of, tracked

DOCUMENTS = [p for p in tracked() if p.suffix == ".md"]
MAKEFILE = (ROOT / "Makefile").read_text()
_PATH = re.compile(r"`((?:functions|ims|docs|tests|bench|infra|knative|console|migrations|\.ci)/[\w./-]*)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("path", docs.documents(), ids=name_of)
def test_generated_parts_are_as_the_code_is(path: Path) -> None:
    assert docs.rendered(path.read_text()) == path.read_text(), "make docs"


def test_every_part_stands_in_a_document() -> None:
    text = "".join(p.read_text() for p in docs.documents())
    assert {name for name in docs.PARTS if f"<!-- generated: {name} -->" in text} == set(docs.PARTS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_what_a_document_points_at_exists(path: Path) -> None:
    text = path.read_text()
    missing = [name for name in _PATH.findall(text) if not (ROOT / name).exists()]
    missing += [link for link in _LINK.findall(text) if not (path.parent / link).exists()]
    assert missing == []



def test_short_names_of_the_tour_are_beside_a_file_that_it_named() -> None:
    text = (ROOT / "docs/tour.md").read_text()
    folders = {(ROOT / name).parent for name in _PATH.findall(text)}
    assert [n for n in re.findall(r"`(\w+\.py)`", text) if not any((folder / n).exists() for folder in folders)] == []


@pytest.mark.parametrize("name", ["README.md", "README.ko.md", "CONTRIBUTING.md", "docs/operate.md"])
def test_commands_in_documents_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    targets = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
    assert set(re.findall(r"(?:^|`)(?:IMS_\w+=\S+ )?make ([a-z0-9-]+)", text, re.MULTILINE)) <= targets
    group = typer.main.get_command(app)
    commands = set(group.commands)  # type: ignore[attr-defined]  # click's group
    assert set(re.findall(r"(?:`|\.venv/bin/)ims ([a-z-]+)", text)) <= commands


def test_both_readmes_show_the_same_commands() -> None:
    english, korean = (re.findall(r"```sh\n(.*?)```", (ROOT / n).read_text(), re.DOTALL) for n in ("README.md", "README.ko.md"))
    assert english == korean


def test_ci_runs_the_readme_s_test_command() -> None:
    run = ROOT / ".ci/run"
    assert run.stat().st_mode & 0o111
    assert run.read_text().rstrip().endswith("make test\nmake test-services")
    assert "```sh\nmake test\n```" in (ROOT / "README.md").read_text()


def test_the_receiver_of_the_documents_believes_our_signatures_and_no_others() -> None:
    verified = runpy.run_path(str(ROOT / "docs/receive.py"))["verified"]
    secret, other, now = new_secret(), new_secret(), time.time()
    body = b'{"result":"DELIVERED"}'
    headers = sign([other, secret], "id1", int(now), body)
    assert verified(secret, headers, body, now)
    assert verified(other, headers, body, now)
    assert not verified(new_secret(), headers, body, now)
    assert not verified(secret, headers, body + b" ", now)
    assert not verified(secret, {**headers, "webhook-id": "id2"}, body, now)
    assert not verified(secret, headers, body, now + 301)
    assert not verified(secret, {}, body, now)
