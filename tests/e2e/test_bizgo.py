"""Bizgo chosen by settings alone: texts and AlimTalk through its documented interface, reports polled back."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from harness import Home, eventually, new_number

pytestmark = pytest.mark.e2e

# A process of its own, as the real one is: nothing of it is imported here.
STUB = """
import sys
from aiohttp import web
from ims.adapters.providers.bizgo.stub import Stub
web.run_app(Stub().app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
"""
API_KEY = "stub-key-not-real"


def answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/", timeout=1)
    except HTTPError:
        return True
    except (URLError, OSError):
        return False
    return True


def test_messages_go_through_bizgo_when_it_is_chosen(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    stub = subprocess.Popen([sys.executable, "-c", STUB, str(port)])
    try:
        eventually(lambda: answers(port), 20, "the stub listens")
        chosen = {"providers_mt": "bizgo", "providers_kakao": "bizgo", "bizgo_api_key": API_KEY}
        chosen["bizgo_base_url"] = f"http://127.0.0.1:{port}"
        with Home(tmp_path / "home", **chosen) as home:
            told = {"SMS": home.sms(new_number()), "AT": home.alimtalk(new_number())}
            for report_type, message_id in told.items():
                result = home.wait_result(message_id, 30)
                assert (result["report_type"], result["result"], result["report_code"]) == (report_type, "DELIVERED", "0000")
            assert home.sent() == [], "the simulator was asked for nothing"
    finally:
        stub.terminate()
        stub.wait(10)
