"""Files through the one port, an MMS and each kind of RCS message to its callback."""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
import zlib
from typing import Any

import pytest
from harness import Home, new_id, new_number, text

pytestmark = pytest.mark.e2e

# The smallest picture that carriers take: one grey pixel, as JPEG.
JPEG = bytes.fromhex(
    "ffd8ffe000104a46494600010100000100010000ffdb004300" + "01" * 64 + "ffc0000b080001000101011100"
    "ffc4001f0000010501010101010100000000000000000102030405060708090a0b"
    "ffc400b5100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a"
    "25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3"
    "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
    "ffda0008010100003f00fbffd9"
)


def png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(72))) + chunk(b"IEND", b"")


def upload(home: Home, content: bytes, query: str) -> tuple[int, dict[str, Any]]:
    """A file through the port that everything goes through."""
    who = home.customers[0]
    url = f"{home.facts['intake']}/ims/{who.service_keys['realtime']}/files?{query}"
    headers = {"x-ims-version": "version-1", "x-ims-key": who.x_ims_key, "content-type": "application/octet-stream"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, content, headers), timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as exc:
        return exc.code, json.load(exc)


@pytest.mark.parametrize("kind", ["MMS", "AUTO"])
def test_a_picture_is_uploaded_and_goes_out_as_an_mms(ims: Home, kind: str) -> None:
    status, answer = upload(ims, JPEG, "channel=mms")
    assert (status, answer["code"]) == (200, "0000"), answer
    key, number = answer["data"]["file_key"], new_number()
    id_ = ims.sms(number, message_type=kind, title="사진", attach_file_list=[key], message=text("사진을 보냅니다"))
    found = ims.wait_result(id_)
    assert (found["result"], found["report_code"], found["report_type"]) == ("DELIVERED", "0000", "MMS")
    [sent] = ims.sent_to(number)
    assert sent["send_type"] == "MMS"
    assert ims.delete(f"files/{key}").status == 200
    refused = ims.post("mt/sendMessage", {**_mms(ims), "attach_file_list": [key]})
    assert (refused.status, refused.code) == (400, "2070")


def _mms(home: Home) -> dict[str, Any]:
    return {
        "message_id": new_id(),
        "message_type": "MMS",
        "callback": home.customers[0].callback,
        "phone_number": new_number(),
        "message": text("사진"),
    }


def test_what_is_no_picture_is_refused_and_a_foreign_one_is_unknown(ims: Home) -> None:
    assert upload(ims, png(), "channel=mms")[1]["code"] == "2070"
    assert upload(ims, JPEG + b"PK", "channel=mms")[1]["code"] == "2070"
    key = upload(ims, png(), "channel=rcs")[1]["data"]["file_key"]
    assert ims.get(f"files/{key}").json()["data"]["width"] == 8
    assert ims.get(f"files/{key}", customer=1).status == 404


@pytest.mark.parametrize("kind", ["SMS", "LMS", "MMS", "TEMPLATE"])
def test_each_kind_of_rcs_goes_out_and_is_told(ims: Home, kind: str) -> None:
    number = new_number()
    body: dict[str, Any] = {"description": text("안녕하세요")}
    if kind == "MMS":
        body["media"] = upload(ims, png(), "channel=rcs")[1]["data"]["file_key"]
    request = {
        "message_id": new_id("rcs"),
        "message_type": kind,
        "brand_key": ims.customers[0].brand_key,
        "callback": ims.customers[0].callback,
        "phone_number": number,
        "body": body,
        **({"messagebase_id": "TPL01"} if kind == "TEMPLATE" else {}),
    }
    assert ims.post("rcs/sendMessage", request).code == "0000"
    found = ims.wait_result(request["message_id"])
    assert (found["result"], found["report_code"], found["report_type"]) == ("DELIVERED", "0000", "RCS")
    [sent] = ims.sent_to(number)
    assert (sent["send_type"], sent["text"]) == ("RCS", body["description"])
