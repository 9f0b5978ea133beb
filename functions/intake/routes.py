"""Which paths there are under /ims, and which methods they serve."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from ims.errors import Rejected
from ims.runtime.clients.answers import WrongMethod
from ims.topics import Channel

DOCUMENT_PATH = "/ims/openapi.json"
_CHANNELS = frozenset(channel.value for channel in Channel)
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,20}\.[A-Za-z0-9_-]{20,400}")


class Action(Enum):
    """What a request asks for."""

    DOCUMENT = auto()
    SEND_ONE = auto()
    SEND_MANY = auto()
    POLL = auto()
    ACKNOWLEDGE = auto()
    READ = auto()
    REPLAY = auto()
    UNSUBSCRIBE = auto()  # a page for a person to press its button, or the mail program's own POST (RFC 8058)


@dataclass(frozen=True, slots=True)
class Route:
    """A path taken apart. `channel` is none where nothing is sent."""

    action: Action
    service_key: str = ""
    channel: Channel | None = None
    id: str = ""


_SENDS = {"sendMessage": Action.SEND_ONE, "sendMessages": Action.SEND_MANY}


def route(method: str, path: str) -> Route:
    """What is asked for. Rejected 1404 or 1405."""
    methods = _methods(path)
    if method not in methods:
        raise WrongMethod(", ".join(sorted(methods)))
    return methods[method]


def _methods(path: str) -> dict[str, Route]:
    if path == DOCUMENT_PATH:
        return {"GET": Route(Action.DOCUMENT)}
    match path.split("/"):
        case ["", "ims", key, "report"]:
            return {"GET": Route(Action.POLL, key)}
        case ["", "ims", key, "report", id_] if _ID.fullmatch(id_):
            methods = {"GET": Route(Action.READ, key, id=id_), "DELETE": Route(Action.ACKNOWLEDGE, key, id=id_)}
            return {**methods, "POST": Route(Action.REPLAY, key)} if id_ == "replay" else methods
        case ["", "ims", "unsubscribe", token] if _TOKEN.fullmatch(token):
            found = Route(Action.UNSUBSCRIBE, id=token)
            return {"GET": found, "HEAD": found, "POST": found}
        case ["", "ims", key, channel, last] if last in _SENDS and channel in _CHANNELS:
            return {"POST": Route(_SENDS[last], key, Channel(channel))}
        case _:
            raise Rejected("1404")
