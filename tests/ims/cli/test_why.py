"""`ims why`: what it finds of a message at every point of its way, and what it never shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.report.deadlines import emit_due
from ims import topics
from ims.cli.explain import NotFound, explain
from ims.cli.story import story
from ims.lanes import Lane
from ims.ports.dispatch import Call, CallStatus, Dispatch, Member
from ims.ports.records import Change, DeadLetter
from ims.protocol.envelope import Record
from ims.protocol.events import Step
from ims.runtime.tracing import Tracer
from ims.topics import Channel, SendType

from .conftest import NUMBER, TEXT, VALUE, Street


async def why(street: Street, message_id: str = "m1") -> dict[str, Any]:
    house = street.house
    facts = await explain(house.ctx, house.store, await house.registry.list_keys(None), message_id)
    printed = json.dumps(facts, ensure_ascii=False) + "\n".join(story(facts))
    for secret in (NUMBER, NUMBER[3:], TEXT[:5], VALUE):
        assert secret not in printed
    return facts


def lines(facts: dict[str, Any]) -> str:
    return "\n".join(story(facts))


async def test_a_delivered_message_from_the_post_to_the_callback(street: Street) -> None:
    tracer = Tracer(street.house.ctx)
    street.house.ctx.trace = tracer.note
    entry = await street.accept("m1")
    await street.later()
    await street.report(street.house.provider.refs[0])
    await street.later()
    await tracer.flush()
    await street.later(0)
    facts = await why(street)
    assert (facts["state"], facts["code"], facts["lane"], facts["waits_for"]) == ("DELIVERED", "0000", "realtime", "")
    assert facts["accepted"]["trace_id"] == entry.trace[3:35]
    assert facts["accepted"]["to"] == "010****1234"
    assert facts["accepted"]["lane_because"] == "the service key's kind"
    assert facts["accepted"]["variables"] == ["name"]
    call = facts["attempts"][0]["call"]
    assert (call["provider"], call["members"], call["tries"], call["status"]) == ("scripted", 1, 1, "done")
    assert call["answer"]["status"] == "accepted"
    assert facts["history"]["result"] == "DELIVERED"
    [array] = facts["callbacks"]
    assert (array["calls"], array["acknowledged"], array["endpoint"]) == (1, True, "https://acme.example/results")
    assert {t["stage"] for t in facts["traces"]} >= {"route", "send_mt", "report", "callback", "store"}
    text = lines(facts)
    assert "m1  DELIVERED 0000" in text
    assert "+0 ms  intake" in text
    assert "+20 ms  callback" in text
    assert street.house.ctx.tracker.tracking_id(facts["accepted"]["birth"], 0) == facts["tracking_id"]


async def test_a_message_that_nobody_has_touched_yet(street: Street) -> None:
    await street.accept("m1")
    facts = await why(street)
    assert (facts["state"], facts["attempts"], facts["waits_for"]) == ("RECEIVED", [], "the stages to get to it")
    assert "(no traces" in lines(facts)


async def test_a_message_whose_report_is_awaited(street: Street) -> None:
    await street.accept("m1")
    await street.later()
    facts = await why(street)
    assert (facts["state"], facts["waits_for"], facts["history"]) == ("SENT", "the delivery report", None)
    assert "no delivery report by" in lines(facts)


async def test_a_held_message(street: Street) -> None:
    street.house.provider.script.extend(["away"] * 3)
    await street.accept("m1")
    await street.later()
    facts = await why(street)
    assert (facts["state"], facts["waits_for"]) == ("HELD", "its parked event to be released")
    assert facts["held"][0]["reason"] == "8001"
    assert "parked (8001) until" in lines(facts)


async def test_a_fallback_shows_both_attempts(street: Street) -> None:
    steps = [Step(type="LMS", callback="15881234", title="안내", text=TEXT, after_s=300)]
    alimtalk = {"channel": Channel.AT, "message_type": "AT", "sender_key": "p" * 40, "template_code": "T1"}
    await street.accept("m1", fallback=steps, **alimtalk)
    await street.later()
    await street.report(street.house.provider.refs[0], "failed", "3018")
    await street.later()
    facts = await why(street)
    first, second = facts["attempts"]
    assert first["handed_on"]["because"] == "3018"
    assert (second["call"]["send_type"], second["sender"]) == ("LMS", "15881234")
    assert "handed on to attempt 2 because of 3018" in lines(facts)
    assert "then LMS on failure or after 300 s" in lines(facts)


async def test_a_refused_message_says_by_what(street: Street) -> None:
    await street.house.registry.put_stop("campaign", "camp", "")
    street.house.now += 6_000  # longer than the registry's view is kept
    await street.accept("m1", Lane.MASS, kind=Lane.REALTIME, campaign_id="camp")
    await street.later()
    facts = await why(street)
    assert (facts["state"], facts["code"]) == ("REJECTED", "7130")
    assert facts["accepted"]["lane_because"] == "a list of 200 or more recipients, or send_class"
    assert facts["attempts"][0]["refused"] == {"result": "REJECTED", "code": "7130"}


async def test_an_unknown_that_became_known_shows_both_results(street: Street) -> None:
    await street.accept("m1")
    await street.later()
    street.house.now += 61_000
    await emit_due(Lane.REALTIME, street.house.ctx, street.house.ctx.due)
    await street.later()
    await street.report(street.house.provider.refs[0])
    await street.later()
    facts = await why(street)
    assert [(r["number"], r["result"], r["previous"]) for r in facts["attempts"][0]["results"]] == [
        (1, "UNKNOWN", ""),
        (2, "DELIVERED", "UNKNOWN"),
    ]
    assert len(facts["callbacks"]) == 2


async def test_dead_letters_of_its_birth_are_shown(street: Street) -> None:
    await street.accept("m1")
    attributes = {"id": "e1", "subject": (await why(street))["accepted"]["birth"], "imstopic": topics.result(Lane.REALTIME)}
    letter = DeadLetter(Record(topics.result(Lane.REALTIME), attributes, b"x"), "store", "500", "KeyError", street.house.now)
    await street.house.store.commit(Lane.REALTIME, Change(dead=[letter]))
    facts = await why(street)
    assert [(d["stage"], d["error"]) for d in facts["dead"]] == [("store", "KeyError")]
    assert "of store (500 KeyError)" in lines(facts)


async def test_a_call_under_way_names_its_owner_and_lease(street: Street) -> None:

    await street.accept("m1")
    birth = (await why(street))["accepted"]["birth"]
    now = street.house.now
    call = Call("k1", "scripted", SendType.SMS, [0], CallStatus.TRYING, "fast-1", now + 6_000, 1, now)
    row = Dispatch(birth, 1, now, now + 3_600_000, calls=[call], members={0: Member(0, call=0)})
    await street.house.store.commit(Lane.REALTIME, Change(dispatches=[row]))
    facts = await why(street)
    assert facts["waits_for"] == "the provider's answer"
    assert "lease of fast-1 until" in lines(facts)
    street.house.now += 7_000
    assert "its lease has run out" in (await why(street))["waits_for"]


async def test_a_message_past_its_retention(street: Street) -> None:
    await street.accept("m1")
    await street.house.store.lanes[Lane.REALTIME].write(lambda conn: conn.exec_driver_sql("DELETE FROM payloads"))
    facts = await why(street)
    assert facts["state"] == "GONE"
    assert "past its retention" in lines(facts)


async def test_the_newest_under_several_keys_and_one_that_is_named(street: Street) -> None:
    await street.accept("m1", Lane.AUTH)
    street.house.now += 1_000
    await street.accept("m1", Lane.REALTIME)
    facts = await why(street)
    assert (facts["service_key"], facts["also_under"]) == ("keyrealtime", ["keyauth"])
    keys = [k for k in await street.house.registry.list_keys(None) if k.key == "keyauth"]
    assert (await explain(street.house.ctx, street.house.store, keys, "m1"))["lane"] == "auth"


async def test_an_unknown_id(street: Street) -> None:
    with pytest.raises(NotFound, match="under any service key"):
        await why(street, "nobody")


