"""Bizgo's codes in ours: of requests (A...), of reports, and what they say about a whole call.

Request codes are the SDK's SERVICE_CODES; those of features that we do not call (reservations) stay
unlisted. Reports: 10000 is success, MS03 and ME09 are documented for AlimTalk; Kakao's own four digits and Infobank's
text codes are passed as domain/korean-messaging.md 3 has them. Bizgo's full table (five digits, about 580) is not public:
who has it gives it to the adapter as `more_codes`, the rest is UNKNOWN and counted.
"""

from __future__ import annotations

from ims.results import CREDENTIAL, INTERNAL, NIGHT_AD, NOT_CONNECTED, SUCCESS, THROTTLED, all_codes

ACCEPTED = "A000"
DUPLICATE = "A301"  # accepted earlier under the same key

# code: (for texts, for AlimTalk and brand messages)
_REQUEST = {
    "A001": (CREDENTIAL, CREDENTIAL),
    "A002": (CREDENTIAL, CREDENTIAL),
    "A010": (INTERNAL, INTERNAL),
    "A011": (INTERNAL, INTERNAL),
    "A020": (THROTTLED, THROTTLED),
    "A100": (CREDENTIAL, CREDENTIAL),
    "A110": (CREDENTIAL, CREDENTIAL),
    "A111": (CREDENTIAL, CREDENTIAL),
    "A113": (CREDENTIAL, CREDENTIAL),
    "A300": (INTERNAL, INTERNAL),
    "A302": ("3050", INTERNAL),
    "A303": ("3009", "3013"),
    "A304": (INTERNAL, INTERNAL),
    "A305": (INTERNAL, INTERNAL),
    "A306": ("3003", "3008"),
    "A307": ("3003", "3008"),
    "A308": (INTERNAL, INTERNAL),
    "A309": (INTERNAL, INTERNAL),
    "A318": (INTERNAL, INTERNAL),
    "A320": ("7109", "7109"),
    "A322": ("3012", "1027"),
    "A323": ("3012", "1027"),
    "A324": ("3012", "1027"),
    "A325": (CREDENTIAL, CREDENTIAL),  # the account may not use this channel
    "A327": ("3050", INTERNAL),
    "A328": ("3009", "3014"),
    "A330": (NIGHT_AD, NIGHT_AD),
    "A501": (INTERNAL, "1030"),
    "A502": (INTERNAL, "1003"),
    "A503": (INTERNAL, "1030"),
    "A505": (INTERNAL, "3015"),
    "A506": (INTERNAL, "1030"),
    "A513": (INTERNAL, "3024"),
    "A521": (INTERNAL, "1030"),
    "A523": (INTERNAL, "1030"),
    "A524": (INTERNAL, "1030"),
    "A525": (INTERNAL, "1030"),
    "A526": (INTERNAL, "1030"),
    "A559": (INTERNAL, "1030"),
    "A560": (INTERNAL, "1030"),
    "A561": (INTERNAL, "1030"),
    "A562": (INTERNAL, "1030"),
    "A563": (INTERNAL, "1030"),
    "A564": (INTERNAL, "1030"),
    "A565": (INTERNAL, "1030"),
    "A567": (INTERNAL, "1030"),
    "A568": (INTERNAL, "1030"),
    "A569": (INTERNAL, "1030"),
    "A570": (INTERNAL, "1028"),
    "A571": (INTERNAL, "1030"),
    "A572": (INTERNAL, "3013"),
    "A573": (INTERNAL, "1030"),
}

# What differs for RCS from the text's word, and what only RCS has.
_RCS = {
    "A302": "6007",
    "A303": "6003",
    "A306": "6002",
    "A307": "6002",
    "A322": "6003",
    "A323": "6003",
    "A324": "6003",
    "A327": "6007",
    "A328": "6003",
    "A404": "6007",  # format
    "A418": "6007",
    "A419": "6007",  # brand
    "A420": "6007",
} | dict.fromkeys((f"A{n}" for n in (406, 407, 408, 409, 411, 412, 413, 415, 417, *range(424, 435))), INTERNAL)

# Codes of the gateway, before any product: another name space (there A401 is a bad key, in the service a bad field).
GATEWAY = {"A400": INTERNAL, "A401": CREDENTIAL, "A403": CREDENTIAL, "A404": NOT_CONNECTED, "A020": THROTTLED}

UNCLEAR = {"A910", "A920", "A999"}  # the server failed while it had the call: nobody knows

_INFOBANK = {"1000": SUCCESS, "M008": "3012", "M010": "3050", "M011": "3017", "M017": "3025"}
_REPORT: dict[str, dict[str, str]] = {
    "mt": {row.code: row.code for row in all_codes() if row.family == "mt" and row.code != SUCCESS}
    | _INFOBANK
    | {"10000": SUCCESS},
    "kakao": {row.code: row.code for row in all_codes() if row.family == "kakao"}
    | {"10000": SUCCESS, "MS03": SUCCESS, "ME09": "3005"},
    # The platform's five digits (domain 3.5); whether Bizgo passes these on or words of its own is unconfirmed.
    "rcs": {row.code: row.code for row in all_codes() if row.family == "rcs"}
    | {"10000": SUCCESS, "54001": "6002", "54002": "6001", "54003": "6003", "52016": "6004"}
    | {"50201": "6005", "50202": "6005", "55806": "6006"},
    "ims": {"10000": SUCCESS},  # a report that does not say what it is about
}


_RCS_BEGINNINGS = {"412": "6001", "400": "6008", "50": "6007", "51": "6007", "52": "6007", "53": "6007"}


def of_request(family: str, code: str) -> str | None:
    """Our code for a member or call that was refused with this service code; None: unlisted."""
    if family == "rcs" and code in _RCS:
        return _RCS[code]
    pair = _REQUEST.get(code)
    return None if pair is None else pair[family == "kakao"]


def of_report(family: str, code: str) -> str | None:
    """Our code for a report code; None: unlisted."""
    found = _REPORT[family].get(code)
    if found is None and family == "rcs" and len(code) == 5 and code.isdecimal():
        return next((ours for begin, ours in _RCS_BEGINNINGS.items() if code.startswith(begin)), None)
    return found


def described(code: str) -> str:
    """Bizgo's own Korean words for a service code, for a person to read. Imports the SDK: 1.7 s the first time."""
    from bizgo._error_codes import SERVICE_CODES

    entry: tuple[int, str] = SERVICE_CODES.get(code, (0, ""))
    return entry[1]
