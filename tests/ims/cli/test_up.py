"""The commands as a newcomer types them, on an IMS that `ims up` started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

IMS = [sys.executable, "-m", "ims.cli.main"]
START_S = 120


class Home:
    """A folder, and `ims` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {name: value for name, value in os.environ.items() if not name.startswith("IMS_")}
        self.env = {**clean, "IMS_HOME": str(folder), "NO_COLOR": "1"}

    def ims(self, *words: str, code: int = 0) -> str:
        done = subprocess.run([*IMS, *words], check=False, env=self.env, capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("home"))
    with (home.folder / "up.err").open("w") as err:
        process = subprocess.Popen([*IMS, "up", "--port", "0"], env=home.env, stdout=subprocess.DEVNULL, stderr=err)
    try:
        until = time.monotonic() + START_S
        while not (home.folder / "up.json").exists():
            assert process.poll() is None, (home.folder / "up.err").read_text()
            assert time.monotonic() < until, "ims up did not start"
            time.sleep(0.1)
        yield home
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


@pytest.mark.e2e
def test_a_message_and_its_story(up: Home) -> None:
    result = json.loads(up.ims("send", "--to", "01055501234", "--message", "#{name}님", "--mapping", "name=하나", "--wait", "--json"))
    assert (result["result"], result["report_type"]) == ("DELIVERED", "SMS")
    story = up.ims("why", result["message_id"])
    assert f"{result['message_id']}  DELIVERED 0000" in story
    assert "010****1234" in story
    assert "하나" not in story
    facts = json.loads(up.ims("why", result["message_id"], "--json"))
    assert facts["attempts"][0]["call"]["provider"] == "simulator"


@pytest.mark.e2e
def test_a_campaign_with_its_results_and_its_repetition(up: Home, tmp_path: Path) -> None:
    numbers = [f"0105550{i:04d}" for i in range(2_500)]
    numbers[7], numbers[8] = "02-123-4567", "01099993003"
    path = tmp_path / "list.csv"
    path.write_text("phone_number,name\n" + "".join(f"{n},이름{i}\n" for i, n in enumerate(numbers)), encoding="cp949")
    first = json.loads(up.ims("send", "--csv", str(path), "--message", "#{name}님 안녕하세요", "--json"))
    assert (first["rows"], first["accepted"], first["rejected"], first["settled"]) == (2_500, 2_499, 1, 2_499)
    assert {(r["result"], r["code"]): r["count"] for r in first["results"]} == {("DELIVERED", "0000"): 2_498, ("FAILED", "3003"): 1}
    assert "02-123-4567,이름7,8,2050" in Path(first["rejected_file"]).read_text(encoding="utf-8-sig")
    again = json.loads(up.ims("send", "--csv", str(path), "--message", "#{name}님 안녕하세요", "--json"))
    assert again["results"] == first["results"], "a repetition sends nothing"
    assert again["campaign_id"] == first["campaign_id"]


@pytest.mark.e2e
def test_an_alimtalk_with_the_demo_customers_profile(up: Home) -> None:
    words = ("send", "--to", "01055501234", "--type", "AT", "--template", "WELCOME_01", "--mapping", "name=하나", "--wait", "--json")
    assert json.loads(up.ims(*words))["report_type"] == "AT"


@pytest.mark.e2e
def test_what_is_wrong_is_one_line(up: Home) -> None:
    assert "give --to or --csv" in up.ims("send", code=1)
    assert "2051" in up.ims("send", "--to", "01055501234", "--message", "x", "--callback", "029999999", code=1)
    assert "no message of that id" in up.ims("why", "nobody", code=1)
    assert "no dead letter" in up.ims("dead", "show", "auth-1", code=1)
    assert "--url needs" in up.ims("send", "--to", "01055501234", "--message", "x", "--url", "http://127.0.0.1:9", code=1)
    assert json.loads(up.ims("dead", "list", "--json")) == []


def test_looking_makes_no_home(tmp_path: Path) -> None:
    home = Home(tmp_path / "none")
    for words in (("why", "m1"), ("dead", "list"), ("send", "--to", "01055501234", "--message", "x")):
        assert "make run" in home.ims(*words, code=1)
    assert not home.folder.exists()
