"""The result codes are one table: complete, read by family, and careful where the outcome is uncertain."""

from __future__ import annotations

import pytest

from ims import results
from ims.results import ResultClass, all_codes, family_of, listed, look_up


def _codes(text: str) -> list[str]:
    return text.split()


# domain/korean-messaging.md 3.1, every code of the Kakao table but the brand ranges and the agencies' own
KAKAO = _codes("""0000 1001 1004 1030 3010 3011 3013 3023 2006 1002 1003 1006 1007 1011 1013 1014 1016 1021 1022 1023 1024 1025 1027
1012 1015 1020 3008 1028 3048 3050 1033 3030 2003 5000 5001 2004 3000 3006 9998 9999 LS0101 LS0102 3005 3012 3014 3025 3029 3032
3034 3035 3037 3039 3046 3047 3052 3056 3058 3015 4133 4134 3016 3027 3028 3031 3033 3036 3038 3040 3042 3043 3044 3045 3053 3054
3055 3057 4132 3018 3019 3020 3021 3022 3024 3026 3041 3051 4000 4001 4100 4131 4137 4161""")
MT = _codes("""0000 2000 2001 2002 2003 2005 2004 2006 2007 3000 3001 3003 3004 3002 3005 3008 3006 3009 3010 3011 3012 3013 3014 3015
3016 3017 3018 3019 3025 3026 3050 3051 3052""")
IMS = _codes("""7101 7102 7103 7104 7105 7106 7107 7108 7109 7110 7111 7112 7113 7120 7130 8001 8002 8003 8004 8005 8100 8200
9998 9999""")


@pytest.mark.parametrize(("family", "codes"), [("kakao", KAKAO), ("mt", MT), ("ims", IMS)])
def test_every_code_of_the_domain_tables_is_listed(family: str, codes: list[str]) -> None:
    assert {code for code in codes if look_up(family, code).family != family} == set()


def test_every_row_is_well_formed() -> None:
    for row in all_codes():
        assert row.retryable in {"n", "y", "later"}, row
        assert row.fallback in {"y", "n", "p"}, row
        assert row.recipient_effect in {"", "invalid", "suppress"}, row
        assert row.ko and row.en and row.name.isidentifier(), row
        if row.result_class is ResultClass.UNKNOWN:
            assert row.fallback != "y" and row.retryable == "n", "an uncertain outcome is never simply sent again"
        if row.result_class is ResultClass.SUCCESS:
            assert row.code == results.SUCCESS and row.fallback == "n"


def test_the_same_digits_mean_different_things_in_different_families() -> None:
    assert look_up("kakao", "3018").name == "no_send_available"
    assert look_up("mt", "3018").name == "sender_line_protected"
    assert look_up("mt", "2003").name == "power_off" and look_up("kakao", "2003").name == "test_server_only"


def test_our_own_codes_stand_in_every_family() -> None:
    assert look_up("mt", results.OPTED_OUT).family == "ims"
    assert look_up("kakao", "9999").family == "kakao"


def test_an_unlisted_code_is_unknown_and_keeps_its_digits() -> None:
    row = look_up("mt", "Q777")
    assert (row.result_class, row.code, row.retryable) == (ResultClass.UNKNOWN, "Q777", "n")
    assert not listed("mt", "Q777") and listed("mt", "3003") and listed("mt", "8001")


@pytest.mark.parametrize(
    ("family", "code", "auth", "realtime", "ad"),
    [
        ("kakao", "3018", True, True, True),
        ("kakao", "3019", True, True, True),
        ("kakao", "3020", True, True, False),  # blocked: transactional yes, ad no
        ("kakao", "3005", True, False, False),  # may still appear within three days
        ("kakao", "3008", False, False, False),  # the number is bad: a text fails as well
        ("kakao", "3012", False, False, False),
        ("kakao", "3022", False, False, False),
        ("kakao", "1001", True, True, False),
        ("ims", results.NOT_CONNECTED, True, True, True),
        ("ims", results.NO_ANSWER, True, False, False),
        ("ims", results.NO_REPORT, True, False, False),
        ("ims", results.OPTED_OUT, False, False, False),
        ("ims", results.EXPIRED_IN_QUEUE, False, False, False),
        ("ims", results.STOPPED, False, False, False),
        ("ims", results.NIGHT_AD, False, False, False),
        ("mt", "3003", False, False, False),
        ("mt", "2003", True, True, True),
        ("mt", "0000", False, False, False),
    ],
)
def test_what_lets_a_fallback_start(family: str, code: str, auth: bool, realtime: bool, ad: bool) -> None:
    row = look_up(family, code)
    assert [row.fallback_allowed(lane) for lane in ("auth", "realtime", "ad")] == [auth, realtime, ad]


@pytest.mark.parametrize(("report_type", "family"), [("AT", "kakao"), ("SMS", "mt"), ("LMS", "mt"), ("MMS", "mt"), ("", "ims")])
def test_family_of_a_report_type(report_type: str, family: str) -> None:
    assert family_of(report_type) == family
