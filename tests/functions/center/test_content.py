"""What a content is found to be, and which ones are refused, whatever they call themselves."""

from __future__ import annotations

import pytest

from functions.center.content import CSV, DOCX, HTML, PDF, TEXT, XLSX, ZIP, Hostile, find
from ims.rules.files import GIF, JPEG, PNG, USES, Found, clean_name, refusal

from .pictures import archive, jpeg_bomb, picture, png_bomb, with_segment

JPG = picture()
ZIPPED = archive({"a.txt": b"hello" * 10})
PDF_TEXT = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (JPG, "a.jpg", Found(JPEG, 640, 480)),
        (JPG, "", Found(JPEG, 640, 480)),
        (picture(progressive=True), "a.JPEG", Found(JPEG, 640, 480)),
        (picture("PNG"), "a.png", Found(PNG, 640, 480)),
        (picture("GIF", (40, 30)), "a.gif", Found(GIF, 40, 30)),
        (PDF_TEXT, "견적서.pdf", Found(PDF)),
        (ZIPPED, "a.zip", Found(ZIP)),
        (archive({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<x/>"}), "a.docx", Found(DOCX)),
        (archive({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "a.xlsx", Found(XLSX)),
        ("이름,금액\n".encode("cp949"), "a.csv", Found(CSV)),
        ("안녕하세요".encode(), "a.txt", Found(TEXT)),
        (b"<!DOCTYPE html><p>hello</p>", "a.html", Found(HTML)),
    ],
)
def test_a_content_is_what_its_bytes_say(content: bytes, name: str, expected: Found) -> None:
    assert find(content, name) == expected


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", ""),
        (b"MZ\x90\x00" + bytes(100), "a.jpg"),
        (b"#!/bin/sh\nrm -rf /\n", "a.txt"),
        (JPG, "a.png"),
        (JPG, "a.jpg.exe"),
        (b"hello", "a.pdf"),
        (JPG + ZIPPED, "a.jpg"),
        (JPG + b"<script>alert(1)</script>", "a.jpg"),
        (JPG + JPG, "a.jpg"),
        (JPG[: len(JPG) // 2], "a.jpg"),
        (JPG[:-2], "a.jpg"),
        (with_segment(JPG, b"%PDF-1.4 1 0 obj"), "a.jpg"),
        (with_segment(JPG, b"*/=1;</style><script>alert(1)</script>"), "a.jpg"),
        (with_segment(JPG, b"<?php system($_GET[0]);"), "a.jpg"),
        (picture("PNG") + ZIPPED, "a.png"),
        (picture("PNG")[:-20], "a.png"),
        (picture("GIF", (40, 30)) + b"<script>", "a.gif"),
        (b"GIF89a/*" + b"\xff" * 50 + b"*/=1;alert(1)", "a.gif"),
        (PDF_TEXT + ZIPPED, "a.pdf"),
        (b"%PDF-1.4\n" + bytes(2000), "a.pdf"),
        (png_bomb(), "a.png"),
        (jpeg_bomb(), "a.jpg"),
        (b"\xff\xd8\xff" + bytes(300), "a.jpg"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 300, "a.png"),
        (archive({"zeros": bytes(20_000_000)}), "a.zip"),
        (archive({"../../etc/passwd": b"x"}), "a.zip"),
        (archive({"/etc/passwd": b"x"}), "a.zip"),
        (archive({"[Content_Types].xml": b"<x/>", "word/vbaProject.bin": b"x"}), "a.docx"),
        (b"PK\x03\x04" + bytes(300), "a.zip"),
        (ZIPPED[:-10], "a.zip"),
        (ZIPPED + ZIPPED, "a.zip"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "a.txt"),
        (b"<html><script>alert(1)</script></html>", "a.html"),
        (bytes(range(256)), "a.txt"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.msi"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "Workbook_VBA_PROJECT".encode("utf-16-le"), "a.xls"),
    ],
)
def test_what_is_broken_or_two_things_at_once_is_hostile(content: bytes, name: str) -> None:
    with pytest.raises(Hostile):
        find(content, name)


@pytest.mark.parametrize(
    ("use", "found", "good"),
    [
        ("mms", Found(JPEG, 1500, 1440), True),
        ("mms", Found(JPEG, 1501, 1000), False),
        ("mms", Found(JPEG, 1000, 1441), False),
        ("mms", Found(PNG, 100, 100), False),
        ("mms", Found(PDF), False),
        ("rcs", Found(PNG, 3000, 2000), True),
        ("rcs", Found(GIF, 300, 200), False),
        ("bt", Found(JPEG, 800, 400), True),
        ("bt", Found(JPEG, 499, 400), False),
        ("bt", Found(JPEG, 1000, 400), False),
        ("bt", Found(JPEG, 600, 900), False),
        ("email", Found(PDF), True),
        ("email", Found(JPEG, 9000, 9000), False),
    ],
)
def test_each_use_has_its_limits(use: str, found: Found, good: bool) -> None:
    assert (refusal(USES[use], found) is None) == good


BAD_NAMES = ("", ".", "..", "../a.jpg", "a/b.jpg", "a\\b.jpg", "C:a.jpg", "a\0", "a\n.jpg", ".bashrc", "a.", "x" * 201, "a\u202egpj.exe")


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_is_no_path_and_hides_nothing(name: str) -> None:
    assert clean_name(name) is None


def test_a_name_is_kept_in_nfc() -> None:
    assert clean_name(" 견적서 (최종).pdf ") == "견적서 (최종).pdf"
    assert clean_name("\u1100\u1161.pdf") == "가.pdf"
