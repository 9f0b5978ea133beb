import pytest

from ims.errors import Rejected
from ims.lanes import Lane
from ims.rules.lane import derive, is_ad


@pytest.mark.parametrize(
    ("kind", "rest", "lane"),
    [
        (Lane.AUTH, {}, Lane.AUTH),
        (Lane.AUTH, {"recipients": 199}, Lane.AUTH),
        (Lane.REALTIME, {"recipients": 200}, Lane.MASS),
        (Lane.REALTIME, {"category": "auth"}, Lane.REALTIME),
        (Lane.AUTH, {"category": "realtime"}, Lane.REALTIME),
        (Lane.MASS, {"send_class": "auth"}, Lane.MASS),
        (Lane.REALTIME, {"send_class": "mass"}, Lane.MASS),
        (Lane.AUTH, {"ad": True, "send_class": "auth"}, Lane.AD),
        (Lane.AD, {}, Lane.AD),
        (Lane.AD, {"category": "auth", "send_class": "realtime"}, Lane.AD),
    ],
)
def test_a_lane_is_only_ever_lowered(kind: Lane, rest: dict[str, object], lane: Lane) -> None:
    assert derive(kind, **rest) is lane  # type: ignore[arg-type]


def test_an_auth_key_refuses_a_campaign() -> None:
    with pytest.raises(Rejected, match="1400"):
        derive(Lane.AUTH, recipients=200)


def test_the_mark_stands_at_the_start() -> None:
    assert is_ad("(광고)가게") and is_ad("본문", " (광고)")
    assert not is_ad("안내 (광고)", "")
