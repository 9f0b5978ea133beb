"""What a message of Kafka is to a function: as the real dispatcher was seen to do it."""

from __future__ import annotations

import json

import pytest

from ims.adapters.kafka.messages import WRAPPED, to_delivery, to_headers

EVENT = {"specversion": "1.0", "id": "e1", "source": "/ims/t", "type": "ims.t.v1"}


def given(headers, value=b"data", key=b"k"):
    return to_delivery("ims-report-auth", "REPORT-AUTH", 3, 37, 1_700_000_000_000, key, value, headers)


def binary(**changes):
    attributes = {k: v for k, v in (EVENT | changes).items() if v is not None}
    return [(f"ce_{k}", v.encode()) for k, v in attributes.items()]


def test_what_is_written_is_read():
    attributes = EVENT | {"partitionkey": "e1", "datacontenttype": "application/octet-stream", "traceparent": "00-a-b-01"}
    headers = to_headers(attributes)
    assert ("ce_partitionkey", b"e1") in headers
    assert ("content-type", b"application/octet-stream") in headers
    got = given(headers)
    assert (got.attributes, got.data) == (attributes, b"data")
    assert (got.topic, got.partition, got.offset) == ("REPORT-AUTH", 3, 37)


def test_key_and_plain_headers_of_an_event_are_dropped():
    got = given([*binary(), ("traceparent", b"00-a-b-01"), ("x-other", b"1")])
    assert got.attributes == EVENT


def test_structured_mode_arrives_as_binary():
    event = EVENT | {"datacontenttype": "application/json", "imslane": "auth", "data": {"a": "가"}}
    got = given([("content-type", b"application/cloudevents+json; charset=utf-8")], json.dumps(event).encode())
    assert got.attributes == EVENT | {"datacontenttype": "application/json", "imslane": "auth"}
    assert json.loads(got.data) == {"a": "가"}


@pytest.mark.parametrize(
    ("content", "data"),
    [
        ({"data_base64": "AAEC"}, b"\x00\x01\x02"),
        ({"data": "text", "datacontenttype": "text/plain"}, b"text"),
        ({"data": "text"}, b'"text"'),
        ({}, b""),
    ],
)
def test_structured_data(content, data):
    got = given([("content-type", b"application/cloudevents+json")], json.dumps(EVENT | content).encode())
    assert (got.attributes["id"], got.data) == ("e1", data)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("some", b"thing")],
        binary(id=None),
        binary(type=None),
        binary(source=None),
        binary(specversion=None),
        binary(specversion="9.9"),
        binary(time="yesterday"),
        [*binary(), ("ce_my_ext", b"1")],
        [*binary(), ("ce_\xc3\xa9", b"1")],
        [*binary(), ("content-type", b"application/cloudevents-batch+json")],
        [("content-type", b"application/cloudevents+json")],  # its data is no JSON
    ],
)
def test_what_is_no_event_is_wrapped_so_that_it_ends_as_a_dead_letter(headers):
    got = given(headers)
    assert got.attributes["type"] == WRAPPED
    assert got.attributes["id"] == "partition:3/offset:37"
    assert got.attributes["subject"] == "partition:3#37"
    assert got.attributes["source"].endswith("/ims-report-auth#REPORT-AUTH")
    assert got.attributes["key"] == got.attributes["partitionkey"] == "k"
    assert got.data == b"data"


def test_its_headers_are_kept_under_names_that_events_may_have():
    got = given([("X-Some_Thing", b"1"), ("content-type", b"text/plain"), ("--", b"2"), ("none", None)])
    assert got.attributes["kafkaheaderxsomething"] == "1"
    assert got.attributes["datacontenttype"] == "text/plain"
    assert got.attributes["kafkaheadernone"] == ""


def test_wrapped_without_key_and_value():
    got = given([], value=None, key=None)
    assert "key" not in got.attributes
    assert got.data == b""


def test_valid_as_the_real_one_has_it():
    assert given(binary(id="")).attributes["id"] == ""
    assert given([*binary(), ("ce_IMSLANE", b"auth")]).attributes["imslane"] == "auth"
    assert given(binary(), value=None).data == b""


@pytest.mark.parametrize(("value", "carried"), [("한글", "%ED%95%9C%EA%B8%80"), ("a\r\nb", "a%0D%0Ab"), ("100 % sure", "100 % sure")])
def test_a_value_that_no_header_carries_is_encoded(value, carried):
    """There it is destroyed, and a line break loses the event."""
    assert given(binary(imsnote=value)).attributes["imsnote"] == carried
