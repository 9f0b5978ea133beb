"""The one file of a multipart/form-data body that is in memory already: nothing is written anywhere while it is read."""

from __future__ import annotations

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

_PARTS_MOST = 4
_HEADERS_MOST = 16


class Unreadable(Exception):
    """Why the form is not taken, in Korean and English."""

    def __init__(self, ko: str, en: str) -> None:
        super().__init__(en)
        self.ko, self.en = ko, en


class _Parts:
    """What the parser tells, part by part."""

    def __init__(self) -> None:
        self.parts: list[tuple[dict[bytes, bytes], bytearray]] = []
        self.ended = False
        self._name = bytearray()
        self._value = bytearray()

    def begin(self) -> None:
        if len(self.parts) >= _PARTS_MOST:
            raise FormParserError("too many parts")
        self.parts.append(({}, bytearray()))

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        headers = self.parts[-1][0]
        if len(headers) >= _HEADERS_MOST:
            raise FormParserError("too many headers")
        headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1][1].extend(memoryview(data)[start:end])

    def end(self) -> None:
        self.ended = True


def one_file(content_type: str, body: bytes) -> tuple[bytes, str]:
    """Content and name of the part `file`. Unreadable when the form is none, or holds anything else."""
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise Unreadable("boundary가 올바르지 않습니다.", "Its boundary is missing or wrong.")
    told = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": told.begin,
                "on_header_field": told.header_name,
                "on_header_value": told.header_value,
                "on_header_end": told.header_end,
                "on_part_data": told.data,
                "on_end": told.end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise Unreadable("multipart 본문이 올바르지 않습니다.", "The multipart body is not valid.") from exc
    if not told.ended or len(told.parts) != 1:
        raise Unreadable("file 하나만 있어야 합니다.", "It must hold one part, called file, and end.")
    headers, content = told.parts[0]
    _, disposition = parse_options_header(headers.get(b"content-disposition", b""))
    if disposition.get(b"name") != b"file" or b"content-transfer-encoding" in headers:
        raise Unreadable("file 하나만 있어야 합니다.", "It must hold one part, called file, and end.")
    try:
        return bytes(content), disposition.get(b"filename", b"").decode()
    except UnicodeDecodeError:
        raise Unreadable("파일 이름은 UTF-8이어야 합니다.", "The file's name must be UTF-8.") from None
