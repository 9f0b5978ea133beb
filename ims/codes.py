"""The synchronous codes: what the answer to a request can say. One table, from which documents and answers are made.

They are a name space of their own: the codes of results (`ims.results`) are others, even where the digits agree.
HTTP status mirrors the code, so that clients need only the body (contract 1).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """One row of the table. The texts are whole sentences; a detail may follow them."""

    code: str
    name: str
    ko: str
    en: str
    status: int = 400
    retry_after_s: int | None = None  # sent as Retry-After

    def text(self, english: bool = False) -> str:
        """The sentence for the answer."""
        return self.en if english else self.ko


_SERVER_ERROR_KO = "담당자가 확인중입니다."  # the owner's own words, for 9998 and 9999

_TABLE = (
    Code("0000", "SUCCESS", "성공", "Accepted.", 200),
    Code("1100", "UNKNOWN_SERVICE_KEY", "등록되지 않은 서비스 키입니다.", "The service key is unknown.", 404),
    Code("1101", "SERVICE_STOPPED", "중지된 서비스 키입니다.", "The service key is stopped.", 403),
    Code("1400", "BAD_REQUEST", "잘못된 요청입니다.", "The request is not valid."),
    Code("1401", "BAD_CREDENTIAL", "인증 정보가 올바르지 않습니다.", "The x-ims-key header is missing or wrong.", 401),
    Code("1402", "BAD_VERSION", "x-ims-version 헤더가 없거나 지원하지 않는 버전입니다.", "The x-ims-version header is missing or unknown."),
    Code("1403", "ADDRESS_NOT_ALLOWED", "허용되지 않은 IP 주소입니다.", "Requests from this IP address are not allowed.", 403),
    Code("1404", "NOT_FOUND", "존재하지 않는 경로입니다.", "There is nothing at this path.", 404),
    Code("1405", "METHOD_NOT_ALLOWED", "지원하지 않는 HTTP 메서드입니다.", "This path does not serve this HTTP method.", 405),
    Code("1409", "CHANGED_MEANWHILE", "그동안 다른 요청이 변경하였습니다.", "It was changed meanwhile by another request.", 409),
    Code("1413", "BODY_TOO_LARGE", "요청 본문이 너무 큽니다.", "The request body is too large.", 413),
    Code("1415", "BAD_CONTENT_TYPE", "Content-Type은 application/json이어야 합니다.", "The content type must be application/json.", 415),
    Code("1429", "RATE_LIMITED", "요청 한도를 초과하였습니다.", "The rate limit or the daily cap is exceeded.", 429, 1),
    Code("2010", "MESSAGE_TOO_LONG", "메시지가 너무 깁니다.", "The message is too long."),
    Code("2011", "UNENCODABLE_CHARACTER", "문자로 보낼 수 없는 글자가 있습니다.", "The text holds a character that SMS cannot carry."),
    Code("2020", "MANDATORY_FIELD", "필수 항목이 없습니다.", "A mandatory field is missing."),
    Code("2030", "DUPLICATE_MESSAGE_ID", "이미 사용된 message_id입니다.", "The message_id was used before with other content.", 409),
    Code("2040", "TEMPLATE_NOT_FOUND", "등록되지 않은 템플릿입니다.", "The template is not registered."),
    Code("2041", "TEMPLATE_NOT_USABLE", "승인되지 않았거나 휴면 상태인 템플릿입니다.", "The template is not approved or is dormant."),
    Code("2042", "TEMPLATE_MISMATCH", "메시지가 템플릿과 일치하지 않습니다.", "The message does not match the template."),
    Code("2043", "VARIABLE_MISSING", "치환 변수의 값이 없습니다.", "A template variable has no value."),
    Code("2050", "BAD_RECIPIENT", "수신번호가 올바르지 않습니다.", "The recipient is not valid."),
    Code("2051", "SENDER_NOT_REGISTERED", "등록되지 않은 발신번호입니다.", "The sender number is not registered."),
    Code("2052", "PROFILE_NOT_USABLE", "사용할 수 없는 발신 프로필입니다.", "The sender profile cannot be used."),
    Code("2060", "AD_AT_NIGHT", "광고를 보낼 수 없는 시간입니다.", "Advertisements are refused at this hour."),
    Code("2061", "AD_FORM", "광고 또는 수신거부 표기가 올바르지 않습니다.", "The ad mark or opt-out is missing or not allowed."),
    Code("2062", "OPTED_OUT", "수신을 거부한 수신자입니다.", "The recipient has opted out."),
    Code("2070", "BAD_FILE_KEY", "파일 키가 올바르지 않습니다.", "The file key is not valid."),
    Code("2080", "BAD_RESERVATION", "예약 시각이 올바르지 않습니다.", "The reservation time is not valid."),
    Code("4000", "BUTTON_TYPE", "지원하지 않는 버튼 타입입니다.", "The button type is not supported."),
    Code("4001", "MESSAGE_TYPE", "지원하지 않는 메시지 타입입니다.", "The message type or channel is not supported."),
    Code("4002", "ATTACHMENT", "attachment가 올바르지 않습니다.", "The attachment is not valid."),
    Code("4003", "SUPPLEMENT", "supplement가 올바르지 않습니다.", "The supplement is not valid."),
    Code("4004", "TARGETING", "허용되지 않은 타게팅입니다.", "The targeting is not allowed."),
    Code("9998", "UNAVAILABLE", _SERVER_ERROR_KO, "We are looking into it. Send the request again.", 503, 1),
    Code("9999", "SERVER_ERROR", _SERVER_ERROR_KO, "We are looking into it.", 500),
)

CODES: dict[str, Code] = {row.code: row for row in _TABLE}
SUCCESS = "0000"
