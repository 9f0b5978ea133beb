"""The studies in docs/scaling.md: their commands run, and what they print is what stands there."""

from __future__ import annotations

import re

import pytest

from ims.cli.studies import DOCUMENT, STUDY, options, said

TEXT = DOCUMENT.read_text()
STUDIES = list(STUDY.finditer(TEXT))
LARGEST = 100_000  # bytes of a picture


def test_there_are_three() -> None:
    assert len(STUDIES) == 3
    assert TEXT.count("```text") == 3  # none is written in a way that would not be found


@pytest.mark.parametrize("study", STUDIES, ids=lambda s: options(s["command"])[-1].rpartition("/")[2])
def test_a_study_says_what_its_command_says(study: re.Match[str]) -> None:
    assert said(options(study["command"], plot=False)) == study["said"], "make studies"


def test_their_pictures_are_there_and_small() -> None:
    shown = re.findall(r"\]\((scaling/[\w-]+\.png)\)", TEXT)
    drawn = [options(study["command"]) for study in STUDIES]
    assert [f"docs/{name}" for name in shown] == [words[words.index("--plot") + 1] for words in drawn]
    for name in shown:
        picture = (DOCUMENT.parent / name).read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < LARGEST


def test_a_command_may_stand_on_several_lines() -> None:
    assert options("scale simulate --a 1 \\\n  --plot x.png", plot=False) == ["scale", "simulate", "--a", "1"]
