"""Pictures, walked through piece by piece before anything decodes them, and then decoded once to see that they are whole.

The walk costs a few milliseconds and knows the size in pixels before a decoder sees a byte: a bomb is refused by its header. It ends
exactly where the file ends, so nothing can hang behind a picture.
"""

from __future__ import annotations

import re
import struct
import zlib
from io import BytesIO

from ims.rules.files import GIF, JPEG, MOST_PIXELS, PNG, Found

_FOREIGN = re.compile(rb"%PDF-\d|<\s*(script|html|svg|iframe)\b|<\?php|<!doctype html|PK\x03\x04.{22}[\w./-]{1,80}|#!/", re.I | re.S)
_NEXT_MARKER = re.compile(rb"\xff+[^\x00\xff\xd0-\xd7]")
_SIZES = frozenset({0xC0, 0xC1, 0xC2})  # the frames that phones and carriers decode: baseline, extended, progressive
_OTHER_FRAMES = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SCANS_MOST = 32  # of a progressive picture; each costs the decoder a pass over all pixels
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_TEXT_MOST = 256 * 1024  # of what is no pixels
_BEGINNINGS = ((b"\xff\xd8\xff", JPEG), (_PNG, PNG), (b"GIF87a", GIF), (b"GIF89a", GIF))
_FORMATS = {JPEG: "JPEG", PNG: "PNG", GIF: "GIF"}
_FRAMES_MOST = 200


class Broken(Exception):
    """Why a picture is not taken, in Korean and English."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(en)
        self.ko, self.en = ko, en


def _broken() -> Broken:
    return Broken("이미지가 올바르지 않습니다.", "The picture does not hold together.")


def look(content: bytes) -> Found | None:
    """The picture's type and size; none when it is no picture. Broken when it is a bad one."""
    kind = next((kind for begins, kind in _BEGINNINGS if content.startswith(begins)), None)
    if kind is None:
        return None
    walk = {JPEG: _jpeg, PNG: _png, GIF: _gif}[kind]
    try:
        width, height = walk(content)
    except (struct.error, IndexError) as exc:
        raise _broken() from exc
    if not width or not height:
        raise _broken()
    if width * height > MOST_PIXELS:
        raise Broken(f"{width}x{height}: 화소가 너무 많습니다.", f"{width}x{height} has too many pixels.")
    _decode(content, kind, (width, height))
    return Found(kind, width, height)


def _jpeg(content: bytes) -> tuple[int, int]:
    at, size, scans = 2, (0, 0), 0
    while True:
        if content[at] != 0xFF:
            raise _broken()
        while content[at] == 0xFF:
            at += 1
        marker = content[at]
        at += 1
        if marker == 0xD9:
            break
        if marker in _ALONE:
            continue
        if marker in {0x00, 0xD8} or marker in _OTHER_FRAMES:
            raise _broken()
        length = struct.unpack_from(">H", content, at)[0]
        if length < 2 or at + length > len(content):
            raise _broken()
        if marker in _SIZES:
            if size != (0, 0):
                raise _broken()
            height, width = struct.unpack_from(">HH", content, at + 3)
            size = (width, height)
        elif marker >= 0xE0:
            _no_foreign(content[at + 2 : at + length])
        at += length
        if marker == 0xDA:
            scans += 1
            following = _NEXT_MARKER.search(content, at)
            if scans > _SCANS_MOST or following is None:
                raise _broken()
            at = following.start()
    if not scans or content[at:].strip(b"\x00\r\n"):
        raise Broken("이미지 뒤에 다른 내용이 있습니다.", "Something follows the picture's end.")
    return size


def _png(content: bytes) -> tuple[int, int]:
    at, size, extra, data = len(_PNG), (0, 0), 0, False
    while True:
        length, kind = struct.unpack_from(">I4s", content, at)
        body = content[at + 8 : at + 8 + length]
        (crc,) = struct.unpack_from(">I", content, at + 8 + length)
        if zlib.crc32(kind + body) != crc or (size == (0, 0)) != (kind == b"IHDR"):
            raise _broken()
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", body)
            size = (width, height)
        elif kind == b"IDAT":
            data = True
        elif kind != b"PLTE":
            extra += length
            _no_foreign(body)
        at += 12 + length
        if kind == b"IEND":
            break
    if not data or extra > _PNG_TEXT_MOST:
        raise _broken()
    if at != len(content):
        raise Broken("이미지 뒤에 다른 내용이 있습니다.", "Something follows the picture's end.")
    return size


def _gif(content: bytes) -> tuple[int, int]:
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    at, frames = 13 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0), 0
    while (block := content[at]) != 0x3B:
        if block == 0x2C:
            frames += 1
            local = content[at + 9]
            at += 10 + (3 << ((local & 7) + 1) if local & 0x80 else 0) + 1
        elif block == 0x21:
            at += 2
        else:
            raise _broken()
        start = at
        while content[at]:
            at += content[at] + 1
        at += 1
        if block == 0x21:
            _no_foreign(content[start:at])
    if not 0 < frames <= _FRAMES_MOST or width * height * frames > 4 * MOST_PIXELS:
        raise _broken()
    if at + 1 != len(content):
        raise Broken("이미지 뒤에 다른 내용이 있습니다.", "Something follows the picture's end.")
    return width, height


def _no_foreign(metadata: bytes) -> None:
    if _FOREIGN.search(metadata):
        raise Broken("다른 형식이 함께 들어 있습니다.", "Another format hides in it.")


def _decode(content: bytes, kind: str, size: tuple[int, int]) -> None:
    """Pillow reads all pixels of the first frame: what it cannot, a handset cannot. Imported at the first picture."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content), formats=[_FORMATS[kind]]) as picture:
            if picture.size != size:
                raise _broken()
            picture.load()
    except (OSError, SyntaxError, ValueError, struct.error, zlib.error, EOFError, IndexError, Image.DecompressionBombError) as exc:
        raise _broken() from exc
