"""Result codes: what became of a message or of a call, as data, once.

A code means something only with its family: `3018` is "not an active KakaoTalk user" in "kakao" and "sender line protected"
in "mt". "ims" holds our own (7xxx stopped before any provider, 8xxx transport), which stand in every family.
From domain/korean-messaging.md 3.1 to 3.6; the MT column "fallback" is ours, the source has
none; where the source describes a group of Kakao codes only as a whole, the single texts in it are ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ResultClass(StrEnum):
    """What sort of end it is. UNKNOWN: the message may have arrived or may yet."""

    SUCCESS = "SUCCESS"
    TEMPORARY = "TEMPORARY"
    PERMANENT = "PERMANENT"
    CONFIG = "CONFIG"
    UNKNOWN = "UNKNOWN"
    POLICY = "POLICY"


@dataclass(frozen=True, slots=True)
class ResultCode:
    """One code of one family."""

    family: str  # kakao, mt, email, push, rcs, ims
    code: str
    name: str
    ko: str
    en: str
    result_class: ResultClass
    retryable: str  # by IMS, with the same key: n, y, later
    fallback: str  # may the next step start: y, n, p (see fallback_allowed)
    recipient_effect: str  # "", invalid (the number is dead), suppress (the person refuses)

    def fallback_allowed(self, lane: str) -> bool:
        """Whether this result lets the customer's next step start.

        "p": where the outcome is uncertain, only a one-time code is worth a possible second message; where it is a
        definite failure, everything but an ad.
        """
        if self.fallback == "p":
            return lane == "auth" if self.result_class is ResultClass.UNKNOWN else lane != "ad"
        return self.fallback == "y"


# Codes that other files decide with.
SUCCESS = "0000"
NIGHT_AD = "7101"
OPTED_OUT = "7102"
NO_CONSENT = "7103"
EXPIRED_IN_QUEUE = "7120"
STOPPED = "7130"
NOT_CONNECTED = "8001"
NO_ANSWER = "8002"
CREDENTIAL = "8003"
THROTTLED = "8004"
UNREADABLE = "8005"
NO_REPORT = "8100"
INTERNAL = "9999"
AD_FORM = "7104"
COMPLAINT = "5902"  # e-mail
FILE_GONE = "7114"

_FAMILY = {
    "AT": "kakao", "AI": "kakao", "FT": "kakao", "BT": "kakao", "SMS": "mt", "LMS": "mt", "MMS": "mt",
    "EM": "email", "PU": "push", "RCS": "rcs",
}  # fmt: skip


def family_of(report_type: str) -> str:
    """The family in which a code of this report type is read; "ims" where there is no type."""
    return _FAMILY.get(report_type, "ims")


def look_up(family: str, code: str) -> ResultCode:
    """The code, of its family or of ours; one that nobody lists is UNKNOWN and lets only one-time codes fall back."""
    return (
        _TABLE.get((family, code))
        or _TABLE.get(("ims", code))
        or ResultCode(family, code, "unlisted", "알 수 없는 결과 코드", "unlisted result code", ResultClass.UNKNOWN, "n", "p", "")
    )


def listed(family: str, code: str) -> bool:
    """Whether `look_up` knows it."""
    return (family, code) in _TABLE or ("ims", code) in _TABLE


def all_codes() -> Iterator[ResultCode]:
    """Every code, by family."""
    return iter(_TABLE.values())


class _Group(NamedTuple):
    """Codes that are dealt with alike."""

    result_class: str
    retryable: str
    fallback: str
    effect: str
    codes: tuple[tuple[str, str, str, str], ...]  # code, name, Korean, English


_IMS = (
    _Group("SUCCESS", "n", "n", "", (("0000", "delivered", "성공", "delivered"),)),
    _Group("POLICY", "later", "n", "", (("7101", "night_ad", "야간 광고 제한", "ads may not be sent at this hour"),)),
    _Group("POLICY", "n", "n", "suppress", (("7102", "opted_out", "수신거부", "the recipient has opted out"),)),
    _Group("POLICY", "n", "n", "", (
        ("7103", "no_consent", "수신동의 없음", "no consent to ads"),
        ("7104", "ad_mark_missing", "광고 표기 누락", "ad mark or opt-out missing"),
        ("7107", "duplicate", "중복 메시지", "duplicate message"),
        ("7108", "blocked_recipient", "차단된 수신자", "recipient is blocked"),
        ("7109", "quota_exceeded", "한도 또는 잔액 초과", "quota or balance exhausted"),
        ("7120", "expired_in_queue", "발송 대기 중 유효시간 초과", "expired before it could be sent"),
        ("7130", "cancelled", "발송 취소 또는 중지", "cancelled or stopped"),
        ("8200", "superseded", "대체발송으로 전환됨", "superseded by a fallback"),
    )),
    _Group("POLICY", "later", "p", "", (("7106", "daily_cap", "발신번호 일일 한도 초과", "daily cap of the sender number"),)),
    _Group("CONFIG", "n", "p", "", (
        ("7105", "sender_not_registered", "미등록 발신번호", "sender number not registered"),
        ("7110", "unencodable_text", "보낼 수 없는 문자가 포함된 본문", "text holds characters that cannot be sent"),
        ("7111", "template_not_usable", "사용할 수 없는 템플릿", "template not usable"),
        ("7112", "template_mismatch", "템플릿 불일치", "text differs from the template"),
        ("7114", "file_gone", "첨부 파일 없음", "a file of the message is gone"),
    )),
    _Group("CONFIG", "n", "n", "", (("7113", "variable_missing", "치환 변수 누락", "a variable has no value"),)),
    _Group("TEMPORARY", "y", "y", "", (
        ("8001", "not_connected", "발송사 연결 실패(발송되지 않음)", "could not connect, nothing was sent"),
        ("8004", "throttled", "발송사 속도 제한", "throttled by the provider"),
    )),
    _Group("UNKNOWN", "n", "p", "", (
        ("8002", "no_answer", "발송사 응답 없음(발송 여부 불명)", "sent, but no answer: uncertain"),
        ("8005", "unreadable", "발송사 응답 해석 불가(발송 여부 불명)", "unreadable answer: uncertain"),
        ("8100", "no_report", "기한 내 결과 미수신", "no report before the deadline"),
    )),
    _Group("CONFIG", "n", "y", "", (("8003", "credential_refused", "발송사 인증 실패", "credential refused by the provider"),)),
    _Group("TEMPORARY", "n", "y", "", (
        ("9998", "system_error", "시스템 오류(담당자가 확인중입니다.)", "system error"),
        ("9999", "internal_error", "시스템 오류(담당자가 확인중입니다.)", "internal error"),
    )),
)

_MT = (
    _Group("SUCCESS", "n", "n", "", (("0000", "delivered", "성공", "delivered to the handset"),)),
    _Group("TEMPORARY", "n", "y", "", (
        ("2000", "carrier_timeout", "이통사 결과 대기시간 초과", "carrier time-out, report expired"),
        ("2003", "power_off", "단말기 전원 꺼짐", "handset switched off"),
        ("2005", "no_coverage", "음영지역", "out of coverage"),
        ("3008", "handset_fault", "기타 단말기 문제", "other handset fault"),
    )),
    _Group("TEMPORARY", "later", "y", "", (
        ("2001", "radio_side", "전송 실패(무선망단)", "failed on the radio side"),
        ("2002", "radio_to_handset", "전송 실패(무선망→단말기단)", "failed between radio and handset"),
        ("2004", "buffer_full", "단말기 메시지 버퍼 초과", "handset's message buffer is full"),
        ("2006", "deleted", "메시지 삭제됨", "message was deleted"),
        ("2007", "temporary_handset_fault", "일시적인 단말 문제", "temporary handset fault"),
        ("3004", "line_suspended", "일시정지 번호", "line suspended"),
    )),
    _Group("TEMPORARY", "y", "y", "", (
        ("3005", "in_call", "통화 중", "in a call"),
        ("3011", "server_error", "서버 오류", "server error"),
    )),
    _Group("PERMANENT", "n", "n", "invalid", (
        ("3001", "no_subscriber", "가입자 없음", "no such subscriber"),
        ("3003", "dead_number", "결번", "bad or dead number"),
    )),
    _Group("PERMANENT", "n", "y", "", (
        ("3000", "cannot_be_sent", "전송할 수 없음", "cannot be sent"),
        ("3002", "adult_check", "성인인증 실패", "adult check failed"),
        ("3010", "mms_not_supported", "MMS 미지원 단말", "handset does not support MMS"),
        ("3013", "refused", "이통사 거부", "refused by the carrier"),
        ("3014", "other", "기타 오류", "other failure"),
        ("3015", "no_route", "전송 경로 없음", "no route"),
        ("3026", "safe_number_failed", "안심번호(평생번호) 전송 실패", "safe number could not be reached"),
    )),
    _Group("CONFIG", "n", "p", "", (
        ("3009", "message_format", "메시지 형식 오류", "message format"),
        ("3016", "attachment_size", "첨부파일 크기 초과", "attachment too large"),
        ("3017", "sender_number_rule", "발신번호 변작 방지 규칙 위반", "sender number breaks the anti-spoofing rule"),
        ("3018", "sender_line_protected", "번호도용문자 차단서비스 가입 발신번호", "sender line is protected against number theft"),
        ("3050", "sender_not_registered", "미등록 발신번호", "sender number not registered"),
    )),
    _Group("POLICY", "n", "n", "suppress", (
        ("3006", "recipient_refuses", "수신 거부", "recipient refuses"),
        ("3052", "opted_out", "080 수신거부", "opted out by 080"),
    )),
    _Group("POLICY", "n", "n", "", (
        ("3012", "spam_filtered", "스팸 차단", "spam filtered"),
        ("3019", "sender_blocked", "KISA 차단 발신번호", "sender blocked by KISA"),
        ("3025", "duplicate", "24시간 내 중복 문자", "duplicate within 24 hours"),
    )),
    _Group("POLICY", "later", "p", "", (("3051", "daily_cap", "발신번호 일일 한도 초과", "daily cap of the sender line"),)),
)

_KAKAO = (
    _Group("SUCCESS", "n", "n", "", (("0000", "delivered", "성공", "delivered"),)),
    _Group("CONFIG", "n", "p", "", (
        ("1001", "no_json_body", "요청 본문이 JSON이 아님", "request body is not JSON"),
        ("1004", "unknown_field", "잘못된 요청 항목", "unknown or malformed field"),
        ("1030", "invalid_parameter", "잘못된 파라미터", "invalid parameter"),
        ("2006", "bad_serial_prefix", "시리얼 접두어 오류", "bad serial prefix"),
        ("3010", "json_error", "JSON 형식 오류", "JSON error"),
        ("3013", "empty_message", "메시지가 비어 있음", "empty message"),
        ("3023", "template_syntax", "메시지 문법 오류", "message syntax"),
    )),
    _Group("TEMPORARY", "n", "p", "", (("3011", "request_not_processed", "요청을 처리할 수 없음", "request could not be processed"),)),
    _Group("CONFIG", "n", "y", "", (
        ("1002", "bad_hub_key", "허브 파트너 키 오류", "bad hub partner key"),
        ("1003", "bad_sender_key", "발신프로필 키 오류", "bad sender key"),
        ("1006", "sender_deleted", "삭제된 발신프로필", "sender profile deleted"),
        ("1007", "sender_stopped", "중지된 발신프로필", "sender profile stopped"),
        ("1011", "no_contract", "계약정보 없음", "no contract"),
        ("1013", "bad_app_link", "유효하지 않은 앱 연결", "invalid app link"),
        ("1014", "bad_business_number", "유효하지 않은 사업자번호", "invalid business number"),
        ("1016", "business_number_mismatch", "사업자번호 불일치", "business number does not match"),
        ("1033", "template_type_mismatch", "템플릿 유형과 메시지 유형 불일치", "template and message type differ"),
        ("3030", "message_type_mismatch", "메시지 유형 불일치", "message type differs"),
        ("3014", "text_too_long", "메시지 길이 초과", "text too long"),
        ("3025", "variable_too_long", "변수 길이 초과", "variable too long"),
        ("3029", "supplement_too_long", "바로연결 길이 초과", "quick reply too long"),
        ("3032", "title_too_long", "강조표기 길이 초과", "title too long"),
        ("3034", "header_too_long", "헤더 길이 초과", "header too long"),
        ("3035", "highlight_too_long", "하이라이트 길이 초과", "highlight too long"),
        ("3037", "item_too_long", "아이템 길이 초과", "item too long"),
        ("3039", "summary_too_long", "요약 길이 초과", "summary too long"),
        ("3046", "button_too_long", "버튼 길이 초과", "button too long"),
        ("3047", "link_too_long", "링크 길이 초과", "link too long"),
        ("3052", "coupon_too_long", "쿠폰 길이 초과", "coupon too long"),
        ("3056", "carousel_too_long", "캐러셀 길이 초과", "carousel too long"),
        ("3058", "commerce_too_long", "커머스 길이 초과", "commerce block too long"),
        ("3015", "template_missing", "템플릿을 찾을 수 없음", "template not found"),
        ("4133", "template_stopped", "중지된 템플릿", "template stopped"),
        ("4134", "template_changed", "변경된 템플릿", "template changed"),
        ("3016", "text_mismatch", "본문이 템플릿과 다름", "text differs from the template"),
        ("3027", "button_mismatch", "버튼이 템플릿과 다름", "buttons differ from the template"),
        ("3028", "title_mismatch", "강조표기가 템플릿과 다름", "title differs from the template"),
        ("3031", "quick_reply_mismatch", "바로연결이 템플릿과 다름", "quick replies differ from the template"),
        ("3033", "header_mismatch", "헤더가 템플릿과 다름", "header differs from the template"),
        ("3036", "highlight_mismatch", "하이라이트가 템플릿과 다름", "highlight differs from the template"),
        ("3038", "item_mismatch", "아이템이 템플릿과 다름", "items differ from the template"),
        ("3040", "summary_mismatch", "요약이 템플릿과 다름", "summary differs from the template"),
        ("3042", "link_mismatch", "대표링크가 템플릿과 다름", "link differs from the template"),
        ("3043", "image_mismatch", "이미지가 템플릿과 다름", "image differs from the template"),
        ("3044", "sub_title_mismatch", "보조문구가 템플릿과 다름", "sub-title differs from the template"),
        ("3045", "extra_mismatch", "부가정보가 템플릿과 다름", "extra information differs from the template"),
        ("3053", "coupon_mismatch", "쿠폰이 템플릿과 다름", "coupon differs from the template"),
        ("3054", "coupon_variable_mismatch", "쿠폰 변수가 템플릿과 다름", "coupon variables differ from the template"),
        ("3055", "carousel_mismatch", "캐러셀이 템플릿과 다름", "carousel differs from the template"),
        ("3057", "commerce_mismatch", "커머스가 템플릿과 다름", "commerce block differs from the template"),
        ("4132", "variables_mismatch", "변수가 템플릿과 다름", "variables differ from the template"),
        ("3024", "bad_image", "이미지 주소 또는 형식 오류", "image address or format"),
        ("3026", "bad_chat_event", "chat_extra/chat_event 형식 오류", "chat_extra or chat_event pattern"),
        ("3041", "item_count", "아이템 개수 오류", "number of items"),
        ("3051", "card_count", "캐러셀 카드 개수 오류", "number of cards"),
    )),
    _Group("POLICY", "n", "y", "", (
        ("1021", "channel_blocked", "차단된 채널", "channel blocked"),
        ("1022", "channel_closed", "닫힌 채널", "channel closed"),
        ("1023", "channel_deleted", "삭제된 채널", "channel deleted"),
        ("1024", "channel_deleting", "삭제 대기 채널", "channel being deleted"),
        ("1025", "channel_sanctioned", "제재된 채널", "channel sanctioned"),
        ("1027", "message_sanctioned", "메시지 발송 제재", "message sanction"),
    )),
    _Group("PERMANENT", "n", "y", "", (  # we always give a number beside the user key
        ("1012", "bad_user_key", "잘못된 사용자 키", "bad user key"),
        ("1015", "bad_app_user_id", "잘못된 앱 사용자 ID", "bad app user id"),
    )),
    _Group("PERMANENT", "n", "n", "invalid", (
        ("1020", "bad_recipient", "잘못된 수신자", "bad recipient"),
        ("3008", "bad_phone_number", "잘못된 전화번호", "bad phone number"),
    )),
    _Group("POLICY", "n", "n", "", (
        ("1028", "targeting_not_allowed", "허용되지 않은 타겟팅", "targeting not allowed"),
        ("3048", "group_tag_not_allowed", "허용되지 않은 그룹태그", "group tag not allowed"),
        ("3050", "audience_not_allowed", "허용되지 않은 발송 대상", "audience not allowed"),
    )),
    _Group("CONFIG", "n", "n", "", (
        ("2003", "test_server_only", "테스트 서버 전용", "test server only"),
        ("5000", "test_limit", "테스트 서버 한도", "test server limit"),
        ("5001", "test_recipient", "테스트 서버 미등록 수신자", "recipient not registered on the test server"),
    )),
    _Group("TEMPORARY", "y", "y", "", (
        ("2004", "template_check_failed", "템플릿 검사 중 오류", "template check failed inside Kakao"),
        ("3000", "kakao_internal_error", "카카오 내부 오류", "internal error at Kakao"),
        ("3006", "kakao_internal_timeout", "카카오 내부 시간 초과", "internal time-out at Kakao"),
        ("9998", "kakao_system_error", "카카오 시스템 오류", "system error at Kakao"),
        ("9999", "kakao_unknown_error", "카카오 시스템 오류", "unclassified error at Kakao"),
        ("LS0101", "agency_timeout", "대행사 시간 초과", "agency time-out"),
        ("LS0102", "agency_error", "대행사 내부 오류", "agency error"),
    )),
    _Group("UNKNOWN", "n", "p", "", (
        ("3005", "ack_timeout", "성공 불확실(최대 3일 내 노출 가능)", "success uncertain, may appear within 3 days"),
    )),
    _Group("UNKNOWN", "n", "n", "", (
        ("3012", "duplicate_serial", "중복 시리얼(처음 결과 조회 필요)", "duplicate serial: the first result stands"),
        ("4000", "result_not_found", "결과를 찾을 수 없음", "result not found"),
        ("4001", "state_unknown", "상태를 알 수 없음", "state unknown"),
    )),
    _Group("PERMANENT", "n", "y", "", (
        ("3018", "no_send_available", "발송 불가 사용자(비활성 등)", "not an active KakaoTalk user"),
        ("3019", "not_a_user", "카카오톡 미사용자", "not a KakaoTalk user"),
        ("3021", "kakaotalk_too_old", "지원하지 않는 카카오톡 버전", "KakaoTalk too old"),
    )),
    _Group("POLICY", "n", "p", "", (("3020", "recipient_blocked", "알림톡 차단 사용자", "recipient blocked AlimTalk"),)),
    _Group("POLICY", "later", "n", "", (("3022", "outside_window", "발송 가능 시간 아님", "outside the sending window"),)),
)

# The enhanced status x.y.zz of an SMTP answer as xyzz (domain 3.3); what lists or people say of a mailbox is 59xx.
_EMAIL = (
    _Group("SUCCESS", "n", "n", "", (("0000", "delivered", "성공", "delivered to the recipient's mail server (not: read)"),)),
    _Group("PERMANENT", "n", "y", "invalid", (
        ("5101", "no_mailbox", "존재하지 않는 메일함", "no such mailbox"),
        ("5102", "no_domain", "존재하지 않는 도메인", "no such domain"),
        ("5103", "bad_address", "잘못된 메일 주소", "bad address syntax"),
        ("5110", "null_mx", "메일을 받지 않는 도메인", "the domain takes no mail"),
        ("5106", "mailbox_moved", "이전된 메일함", "mailbox has moved"),
        ("5201", "mailbox_disabled", "사용 중지된 메일함", "mailbox disabled"),
    )),
    _Group("TEMPORARY", "later", "y", "", (
        ("4202", "mailbox_full", "메일함 용량 초과(일시)", "mailbox full, for now"),
        ("4400", "network", "네트워크 오류", "network fault"),
        ("4401", "host_no_answer", "수신 서버 무응답", "the host does not answer"),
        ("4402", "bad_connection", "연결 불량", "bad connection"),
        ("4403", "directory_failure", "DNS 서버 오류", "directory server failure"),
        ("4404", "unable_to_route", "경로 없음", "unable to route"),
        ("4405", "congestion", "수신 서버 혼잡", "mail system congestion"),
        ("4406", "routing_loop", "메일 경로 순환", "routing loop"),
        ("4407", "delivery_expired", "전달 시한 초과", "delivery time expired"),
        ("4700", "policy_for_now", "수신 정책으로 일시 거부", "refused by policy for now"),
        ("4701", "not_authorised_for_now", "수신 권한 문제로 일시 거부", "not authorised for now"),
        ("4000", "temporary", "일시적인 오류", "temporary failure without a closer word"),
    )),
    _Group("TEMPORARY", "n", "y", "", (
        ("5202", "mailbox_full_for_good", "메일함 용량 초과", "mailbox full"),
        ("5000", "refused", "수신 서버 거부", "refused without a closer word"),
    )),
    _Group("CONFIG", "n", "p", "", (
        ("5203", "too_big_for_mailbox", "수신 허용 크기 초과", "larger than the mailbox takes"),
        ("5304", "too_big", "메일 크기 초과", "larger than the server takes"),
        ("5701", "not_authorised", "발송 권한 없음", "delivery not authorised"),
        ("5720", "dkim_failed", "DKIM 검증 실패", "DKIM failed"),
        ("5721", "dkim_not_accepted", "DKIM 서명 불인정", "no acceptable DKIM signature"),
        ("5722", "dkim_mismatch", "DKIM 서명자 불일치", "DKIM signature does not match the author"),
        ("5723", "spf_failed", "SPF 검증 실패", "SPF failed"),
        ("5724", "spf_error", "SPF 확인 오류", "SPF could not be checked"),
        ("5725", "reverse_dns", "역방향 DNS 없음", "reverse DNS failed"),
        ("5726", "authentication", "발신 인증 실패", "several authentication checks failed"),
        ("5727", "null_mx_sender", "발신 도메인이 메일을 받지 않음", "the sender's domain takes no mail"),
    )),
    _Group("POLICY", "n", "y", "suppress", (("5901", "provider_suppressed", "발송사 수신 제한 목록", "on the provider's own list"),)),
    _Group("POLICY", "n", "n", "suppress", (("5902", "complaint", "스팸 신고", "the recipient complained"),)),
)

# HTTP status and a discriminator (domain 3.4); `invalid`: the token is retired.
_PUSH = (
    _Group("SUCCESS", "n", "n", "", (("0000", "taken", "성공", "taken by the push service (nobody tells when it is shown)"),)),
    _Group("PERMANENT", "n", "y", "invalid", (
        ("4041", "unregistered", "해지된 토큰", "the token is no longer registered"),
        ("4101", "unregistered_since", "해지된 토큰", "the token is no longer active"),
        ("4102", "expired_token", "만료된 토큰", "the token has expired"),
        ("4001", "bad_token", "잘못된 토큰", "the token is not one of this service"),
        ("4003", "other_app", "다른 앱의 토큰", "the token is another app's"),
        ("4031", "other_project", "다른 프로젝트의 토큰", "the token is another project's"),
    )),
    _Group("PERMANENT", "n", "y", "", (("4040", "no_live_token", "등록된 토큰 없음", "the user has no live token"),)),
    _Group("CONFIG", "n", "p", "", (
        ("4002", "bad_request", "푸시 요청 형식 오류", "the push service finds the request wrong"),
        ("4011", "third_party_auth", "인증서 또는 키 오류", "the service's own credential for the platform fails"),
        ("4032", "bad_provider_token", "발송 키 오류", "the provider token is wrong or expired"),
        ("4131", "payload_too_large", "푸시 내용 크기 초과", "payload too large"),
    )),
    _Group("TEMPORARY", "y", "y", "", (
        ("4291", "too_many", "발송 속도 제한", "too many requests"),
        ("4292", "too_many_key_updates", "키 갱신이 너무 잦음", "the provider token was renewed too often"),
        ("5001", "server_error", "푸시 서버 오류", "internal error of the push service"),
        ("5031", "unavailable", "푸시 서버 일시 중단", "the push service is unavailable"),
    )),
)

_RCS = (
    _Group("SUCCESS", "n", "n", "", (("0000", "delivered", "성공", "delivered"),)),
    _Group("PERMANENT", "n", "y", "", (
        ("6001", "no_rcs", "RCS 미지원 단말", "the handset has no RCS"),
        ("6002", "invalid_contact", "잘못된 수신번호", "invalid contact"),
        ("6003", "unable_to_send", "전송할 수 없음", "unable to send"),
    )),
    _Group("TEMPORARY", "n", "y", "", (("6004", "expired", "유효시간 초과", "expired before it was delivered"),)),
    _Group("TEMPORARY", "y", "y", "", (("6005", "too_many", "전송 속도 또는 한도 초과", "rate or quota exceeded"),)),
    _Group("CONFIG", "n", "y", "", (
        ("6007", "brand_not_usable", "사용할 수 없는 브랜드, 챗봇 또는 포맷", "brand, chatbot or format not usable"),
        ("6008", "auth_failed", "RCS 인증 실패", "authentication failed"),
    )),
    _Group("UNKNOWN", "n", "p", "", (("6006", "duplicate_id", "중복된 메시지 id", "the id was used before: the first result decides"),)),
    _Group("PERMANENT", "n", "p", "", (("6999", "other", "기타 RCS 오류", "another failure of RCS"),)),
)


def _index() -> Iterator[tuple[tuple[str, str], ResultCode]]:
    for family, groups in (("ims", _IMS), ("mt", _MT), ("kakao", _KAKAO), ("email", _EMAIL), ("push", _PUSH), ("rcs", _RCS)):
        for group in groups:
            for code, name, ko, en in group.codes:
                yield (
                    (family, code),
                    ResultCode(family, code, name, ko, en, ResultClass(group.result_class), group.retryable, group.fallback, group.effect),
                )
    for number in (*range(4100, 4132), *range(4137, 4162)):  # brand message requests: one meaning for us
        brand = ResultClass.CONFIG
        code = str(number)
        yield (
            ("kakao", code),
            ResultCode("kakao", code, "brand_request", "브랜드메시지 요청 오류", "brand message request fault", brand, "n", "n", ""),
        )


_TABLE: dict[tuple[str, str], ResultCode] = dict(_index())
