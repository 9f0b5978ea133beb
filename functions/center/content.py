"""What an uploaded content really is, found from its bytes: never from its name or from what the caller says of it.

A file that is two things at once (a picture that is also an archive or a page) is refused, and so is one whose inside does not hold
together: what we hand on is opened by others, with other readers.
"""

from __future__ import annotations

import re
import struct
import zipfile
from io import BytesIO

from functions.center import pictures
from ims.rules.files import Found

MOST_ENTRIES = 10_000
MOST_UNPACKED_BYTES = 512 * 1024 * 1024
MOST_RATIO = 200  # a page of text packs to a tenth, a bomb to a thousandth
_END = b"PK\x05\x06"
_END_BYTES = 22
_TAIL_BYTES = 65_536 + _END_BYTES  # an archive's end record may stand so far before the file's end
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa")
_ACTIVE = re.compile(rb"<\s*(script|svg|iframe|object|embed)\b|<\?php|javascript:", re.I)
_PAGE = re.compile(rb"\s*(<!doctype\s+html|<html)\b", re.I)
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
PDF, ZIP, HWP, HWPX = "application/pdf", "application/zip", "application/x-hwp", "application/hwp+zip"
DOC, XLS, PPT = "application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"
TEXT, CSV, HTML, CALENDAR = "text/plain", "text/csv", "text/html", "text/calendar"
# Which endings of a name go with what was found; a name without one goes with all.
ENDINGS: dict[str, tuple[str, ...]] = {
    "image/jpeg": ("jpg", "jpeg"), "image/png": ("png",), "image/gif": ("gif",), PDF: ("pdf",), ZIP: ("zip",), DOCX: ("docx",),
    XLSX: ("xlsx",), PPTX: ("pptx",), HWPX: ("hwpx",), HWP: ("hwp",), DOC: ("doc",), XLS: ("xls",), PPT: ("ppt",),
    TEXT: ("txt", "text", "log", "md"), CSV: ("csv",), HTML: ("html", "htm"), CALENDAR: ("ics",),
}  # fmt: skip
_FOLDERS = {"word/": DOCX, "xl/": XLSX, "ppt/": PPTX}
_STREAMS = {"WordDocument": DOC, "Workbook": XLS, "PowerPoint Document": PPT, "HwpSummaryInformation": HWP}


class Hostile(Exception):
    """Why a content is not taken, in Korean and English; nothing of it is repeated."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(en)
        self.ko, self.en = ko, en


def find(content: bytes, name: str) -> Found:
    """What it is. Hostile when it is nothing that is known, or more than one thing."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    found = _find(content, ending)
    if ending and ending not in ENDINGS[found.content_type]:
        raise Hostile("이름의 확장자와 내용이 다릅니다.", "The ending of its name and its content differ.")
    return found


def _find(content: bytes, ending: str) -> Found:
    if not content:
        raise Hostile("비어 있습니다.", "It is empty.")
    if content.startswith(_PROGRAMS):
        raise Hostile("실행 파일은 사용할 수 없습니다.", "Programs are not taken.")
    if content.startswith(b"PK\x03\x04"):
        return Found(_archive(content))
    if _ends_as_archive(content):
        raise Hostile("다른 형식이 함께 들어 있습니다.", "Another format hides in it.")
    try:
        if (picture := pictures.look(content)) is not None:
            return picture
    except pictures.Broken as exc:
        raise Hostile(exc.ko, exc.en) from None
    if content.startswith(b"%PDF-"):
        if b"%%EOF" not in content[-1024:]:
            raise Hostile("PDF가 완전하지 않습니다.", "The PDF is not whole.")
        return Found(PDF)
    if content.startswith(_OLE):
        return Found(_compound(content))
    return Found(_text(content, ending))


def _ends_as_archive(content: bytes) -> bool:
    """Whether an archive's reader, which starts from the end, would take it for one."""
    tail = content[-_TAIL_BYTES:]
    at = tail.rfind(_END)
    return at >= 0 and len(tail) - at >= _END_BYTES and struct.unpack_from("<H", tail, at + 20)[0] == len(tail) - at - _END_BYTES


def _archive(content: bytes) -> str:
    wrong = Hostile("압축 파일이 올바르지 않습니다.", "The archive does not hold together.")
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if not entries or archive.comment or min(entry.header_offset for entry in entries) != 0:
                raise wrong
            if "[Content_Types].xml" not in names and "mimetype" not in names:
                kind = ZIP
            elif "mimetype" in names and archive.getinfo("mimetype").file_size < 100:
                kind = HWPX if archive.read("mimetype") == HWPX.encode() else ZIP
            else:
                kind = next((kind for folder, kind in _FOLDERS.items() if any(n.startswith(folder) for n in names)), ZIP)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError, KeyError, struct.error) as exc:
        raise wrong from exc
    except MemoryError as exc:
        raise wrong from exc
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MOST_ENTRIES or unpacked > MOST_UNPACKED_BYTES or unpacked > MOST_RATIO * len(content):
        raise Hostile("압축을 풀면 너무 큽니다.", "It would be too large unpacked.")
    if any(name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name) or "\0" in name for name in names):
        raise Hostile("압축 파일 안의 경로가 올바르지 않습니다.", "A path in the archive leads out of it.")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise _MACROS
    return kind


_MACROS = Hostile("매크로가 있는 문서는 사용할 수 없습니다.", "Documents with macros are not taken.")


def _compound(content: bytes) -> str:
    """Older office documents: the names of their streams stand in the directory."""
    if "_VBA_PROJECT".encode("utf-16-le") in content:
        raise _MACROS
    for stream, kind in _STREAMS.items():
        if stream.encode("utf-16-le") in content:
            return kind
    raise _UNKNOWN


_UNKNOWN = Hostile("알 수 없는 형식입니다.", "Its format is not known.")


def _text(content: bytes, ending: str) -> str:
    if _CONTROL.search(content):
        raise _UNKNOWN
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            content.decode("cp949")
        except UnicodeDecodeError:
            raise _UNKNOWN from None
    if _ACTIVE.search(content):
        raise Hostile("스크립트가 들어 있습니다.", "It holds a script.")
    head = content.removeprefix(b"\xef\xbb\xbf")[:1024]
    if _PAGE.match(head):
        return HTML
    if head.upper().startswith(b"BEGIN:VCALENDAR"):
        return CALENDAR
    return CSV if ending == "csv" else TEXT
