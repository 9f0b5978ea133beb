"""One upload: its query, its body (raw, or one part of multipart/form-data), what it is, whether its channel takes it, kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from starlette.requests import Request

from functions.center.content import ENDINGS, Hostile
from functions.center.desk import Desk
from functions.center.form import Unreadable, one_file
from ims.errors import Rejected
from ims.ports.attachments import Upload
from ims.rules.faults import Fault, Rejections
from ims.rules.files import USES, Limits, clean_name, refusal
from ims.runtime.clients.bodies import content_type, whole

FORM_BYTES = 8 * 1024  # of a form beside its file: boundaries and headers
_SEOUL = ZoneInfo("Asia/Seoul")
_FIELDS = ("channel", "name")


async def upload(request: Request, desk: Desk, customer: str) -> dict[str, Any]:
    """The file, kept. Rejections with 2070 and the reason for what its channel does not take."""
    channel, given_name = _query(request.url.query)
    limits = USES[channel]
    form = content_type(request) == "multipart/form-data"
    if desk.room.locked():
        raise Rejected("9998")  # more bodies than may be held at once: come again
    async with desk.room:
        body = await whole(request, limits.bytes_most + (FORM_BYTES if form else 0), too_large(limits))
        content, part_name = body, ""
        if form:
            try:
                content, part_name = one_file(request.headers["content-type"], body)
            except Unreadable as exc:
                raise Rejections([Fault("file", "1400", exc.ko, exc.en)]) from None
        if len(content) > limits.bytes_most:
            raise too_large(limits)
        name = _name(given_name or part_name)
        try:
            found = await desk.find(content, name)
        except Hostile as exc:
            raise Rejections([Fault("file", "2070", exc.ko, exc.en)]) from None
        if why := refusal(limits, found):
            raise Rejections([Fault("file", "2070", *why)])
        name = name or f"file.{ENDINGS[found.content_type][0]}"
        kept = await desk.files.keep(customer, channel, found, name, content)
    if kept is None:
        ko, en = "보관 중인 파일이 너무 많습니다.", "Too much is kept already: delete files that are not needed."
        raise Rejections([Fault("file", "1429", ko, en)])
    return described(kept)


def described(kept: Upload) -> dict[str, Any]:
    """A file as its customer sees it."""
    found: dict[str, Any] = {
        "file_key": kept.key,
        "channel": kept.channel,
        "content_type": kept.content_type,
        "size": kept.size,
        "sha256": kept.sha256,
        "created_at": _time(kept.created_at),
        "expires_at": _time(kept.expires_at),
    }
    return found | ({"width": kept.width, "height": kept.height} if kept.width else {})


def too_large(limits: Limits) -> Rejections:
    """2070: longer than the channel takes."""
    most = f"{limits.bytes_most // 1024:,}"
    return Rejections([Fault("file", "2070", f"최대 {most} KiB입니다.", f"At most {most} KiB are taken.")])


def _query(query: str) -> tuple[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=10)
    except ValueError:
        raise Rejected("1400") from None
    unknown = dict.fromkeys(name[:60] for name, _ in pairs if name not in _FIELDS)
    faults = [Fault(name, "1400", f"알 수 없는 항목입니다: {name}", f"Unknown field: {name}") for name in unknown]
    found = dict(pairs)
    if not faults and len(found) != len(pairs):
        faults.append(Fault(pairs[0][0], "1400", "두 번 있습니다.", "It stands twice."))
    channel = found.get("channel", "")
    if not channel:
        faults.append(Fault("channel", "2020", "필수 항목입니다.", "It is required."))
    elif channel not in USES:
        uses = ", ".join(USES)
        faults.append(Fault("channel", "1400", f"사용할 수 있는 값: {uses}", f"Allowed values: {uses}"))
    if faults:
        raise Rejections(faults)
    return channel, found.get("name", "")


def _name(given: str) -> str:
    """Empty when none was given."""
    if not given:
        return ""
    name = clean_name(given)
    if name is None:
        ko, en = "파일 이름에 경로나 사용할 수 없는 문자가 있습니다.", "Its name holds a path or a forbidden character."
        raise Rejections([Fault("name", "2070", ko, en)])
    return name


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, _SEOUL).isoformat()
