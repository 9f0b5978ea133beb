"""A CSV as a campaign: what is read, what is made up, and that the same command makes the same requests."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ims.cli.campaign import REQUEST_ROWS, BadFile, Campaign, Rejections, read_sheet

SHARED = {"message_type": "SMS", "message": "#{name}님", "callback": "15441234"}
ROWS = "phone_number,name\n01055500001,김하나\n010-5550-0002,이두리\n"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def receivers(path: Path, shared: dict[str, Any] = SHARED, campaign_id: str | None = None) -> list[dict[str, Any]]:
    campaign = Campaign.of(read_sheet(path), shared, campaign_id)
    return [r for lines in campaign.batches() for r in campaign.receivers(lines)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp949"])
def test_encodings_of_korean_spreadsheets(tmp_path: Path, encoding: str) -> None:
    found = receivers(write(tmp_path / "a.csv", ROWS.replace("\n", "\r\n"), encoding))
    assert [r["phone_number"] for r in found] == ["01055500001", "010-5550-0002"]
    assert [r["mapping"] for r in found] == [{"name": "김하나"}, {"name": "이두리"}]


def test_fixed_columns_are_no_variables(tmp_path: Path) -> None:
    text = "name,message_id,phone_number,bill_code\n하나,mine-1,01055500001,SHOP\n두리,,01055500002,\n"
    first, second = receivers(write(tmp_path / "a.csv", text))
    assert first == {"message_id": "mine-1", "phone_number": "01055500001", "bill_code": "SHOP", "mapping": {"name": "하나"}}
    assert set(second) == {"message_id", "phone_number", "mapping"}


def test_without_variables_there_is_no_mapping(tmp_path: Path) -> None:
    assert "mapping" not in receivers(write(tmp_path / "a.csv", "phone_number\n01055500001\n"))[0]


def test_made_up_ids_are_the_same_at_every_run_and_differ_by_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    ids = [r["message_id"] for r in receivers(path)]
    assert ids == [r["message_id"] for r in receivers(write(tmp_path / "copy.csv", ROWS))]
    assert len(set(ids)) == 2
    assert all(len(i) <= 30 and i.isascii() for i in ids)


def test_another_message_file_or_campaign_makes_other_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", ROWS)
    runs = [
        receivers(path),
        receivers(path, {**SHARED, "message": "#{name}님, 다시"}),
        receivers(path, campaign_id="again"),
        receivers(write(tmp_path / "b.csv", ROWS.replace("하나", "두나"))),
    ]
    assert len({run[0]["message_id"] for run in runs}) == 4
    assert Campaign.of(read_sheet(path), SHARED, "mine").campaign_id == "mine"


def test_rows_travel_a_thousand_a_request(tmp_path: Path) -> None:
    text = "phone_number\n" + "".join(f"0105550{i:04d}\n" for i in range(2_300))
    campaign = Campaign.of(read_sheet(write(tmp_path / "a.csv", text)), SHARED, None)
    batches = list(campaign.batches())
    assert [len(b) for b in batches] == [REQUEST_ROWS, REQUEST_ROWS, 300]
    body = json.loads(campaign.body(campaign.receivers(batches[2])))
    assert (body["campaign_id"], len(body["receiver_list"]), body["message"]) == (campaign.campaign_id, 300, "#{name}님")
    assert body["receiver_list"][-1]["message_id"].endswith("-002300")


def test_quoted_cells_blank_lines_and_rows_that_are_too_long(tmp_path: Path) -> None:
    text = 'phone_number,name\n01055500001,"김, ""하나""\n둘째 줄"\n,\n\n01055500002,이두리,너무,많다\n01055500003\n'
    sheet = read_sheet(write(tmp_path / "a.csv", text))
    lines = list(sheet.lines())
    assert sheet.rows == len(lines) == 3
    assert lines[0].cells["name"] == '김, "하나"\n둘째 줄'
    assert [bool(line.fault) for line in lines] == [False, True, False]
    assert lines[2].cells == {"phone_number": "01055500003"}
    assert repr(lines[0]) == "<Line 1>"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"number,name\n010,x\n", "no column phone_number"),
        (b"phone_number\n", "no rows"),
        (b"phone_number,a,a\n1,2,3\n", "more than once"),
        (ROWS.encode("utf-16"), "neither UTF-8 nor CP949"),
        (b'phone_number\n"01055500001\n', "not a CSV file"),
    ],
)
def test_a_file_that_cannot_be_sent_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(BadFile, match=why):
        read_sheet(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadFile, match="No such file"):
        read_sheet(tmp_path / "none.csv")


def test_rejected_rows_are_kept_and_can_be_sent_again(tmp_path: Path) -> None:
    sheet = read_sheet(write(tmp_path / "a.csv", ROWS, "cp949"))
    rejections = Rejections(sheet)
    assert not rejections.path.exists()
    rejections.add(list(sheet.lines())[1], "2050", "수신번호가 올바르지 않습니다.")
    rejections.close()
    with rejections.path.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file)) == [
            ["phone_number", "name", "ims_row", "ims_code", "ims_error"],
            ["010-5550-0002", "이두리", "2", "2050", "수신번호가 올바르지 않습니다."],
        ]
    again = receivers(rejections.path)[0]
    assert (again["phone_number"], again["mapping"]) == ("010-5550-0002", {"name": "이두리"})


def test_a_file_of_rejected_rows_of_an_earlier_run_goes(tmp_path: Path) -> None:
    sheet = read_sheet(write(tmp_path / "a.csv", ROWS))
    write(tmp_path / "a.csv.errors.csv", "old")
    Rejections(sheet).close()
    assert not (tmp_path / "a.csv.errors.csv").exists()
