"""Pydantic's errors as faults of ours (ims/rules/faults.py).

Field names may be the customer's own words (an unknown field is refused by name); values never get in here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from ims.rules.faults import LISTED_FAULTS, Fault

CodeOf = Callable[[str, Sequence[int | str]], str]  # of a kind of error (pydantic's word) at a place
_FAULT = "ims_fault"
_NAME_CHARACTERS = 60


def refused(code: str, ko: str, en: str, at: str = "") -> PydanticCustomError:
    """For validators: an error with a code of ours; `at` names a field below the one validated."""
    return PydanticCustomError(_FAULT, "refused", {"code": code, "ko": ko, "en": en, "at": at})


def not_served(field: str) -> Fault:
    """The fault of a field that the contract has and this version does not serve yet."""
    return Fault(field, "1400", "아직 지원하지 않는 항목입니다.", "This is not served yet.")


def plain_code(kind: str, _loc: Sequence[int | str]) -> str:
    """The code where a place has none of its own."""
    return "2020" if kind in {"missing", "string_too_short"} else "1400"


def faults_of(exc: ValidationError, prefix: int = 0, code_of: CodeOf = plain_code, unserved: Collection[str] = ()) -> list[Fault]:
    """Pydantic's errors in our codes and words, in the order of the fields; `prefix` parts of each place are left out."""
    if exc.error_count() > 10 * LISTED_FAULTS:  # spelling out each one costs more than the request deserves
        return [Fault("", "1400", f"잘못된 항목이 {exc.error_count()}개입니다.", f"{exc.error_count()} fields are wrong.")]
    found: dict[str, Fault] = {}
    for error in exc.errors(include_url=False, include_input=False):
        fault = _fault(error, error["loc"][prefix:], code_of, unserved)
        known = found.get(fault.field)
        # One value of a mapping fails once for each type it might have been; the most telling one is kept.
        if known is None or (known.ko == _KINDS["mapping"][0] and fault.ko != known.ko):
            found[fault.field] = fault
    return list(found.values())


def _fault(error: ErrorDetails, loc: Sequence[int | str], code_of: CodeOf, unserved: Collection[str]) -> Fault:
    kind, context = error["type"], error.get("ctx", {})
    if loc and loc[0] == "mapping":
        loc = loc[:2]
        if kind in {"string_type", "int_type", "float_type"}:
            kind = "mapping"
    field = ".".join(str(part)[:_NAME_CHARACTERS] for part in loc)
    if kind == _FAULT:
        return Fault(field + context["at"], context["code"], context["ko"], context["en"])
    if kind == "extra_forbidden":
        if field in unserved:
            return not_served(field)
        return Fault(field, "1400", f"알 수 없는 항목입니다: {field}", f"Unknown field: {field}")
    return Fault(field, code_of(kind, loc), *_words(kind, context))


_KINDS: Mapping[str, tuple[str, str]] = {
    "json_invalid": ("본문이 올바른 JSON이 아닙니다.", "The body is not valid JSON."),
    "missing": ("필수 항목입니다.", "It is required."),
    "string_too_short": ("비어 있습니다.", "It is empty."),
    "mapping": ("문자열 또는 숫자여야 합니다.", "It must be a string or a number."),
    "string_type": ("문자열이어야 합니다.", "It must be a string."),
    "int_type": ("정수여야 합니다.", "It must be an integer."),
    "list_type": ("배열이어야 합니다.", "It must be an array."),
    "dict_type": ("객체여야 합니다.", "It must be an object."),
    "model_type": ("객체여야 합니다.", "It must be an object."),
    "string_pattern_mismatch": ("형식이 올바르지 않거나 사용할 수 없는 문자가 있습니다.", "It has a wrong form or a forbidden character."),
    "string_too_long": ("최대 {max_length}자입니다.", "At most {max_length} characters are allowed."),
    "too_long": ("최대 {max_length}개입니다.", "At most {max_length} are allowed."),
    "too_short": ("최소 {min_length}개가 필요합니다.", "At least {min_length} are needed."),
    "literal_error": ("사용할 수 있는 값: {expected}", "Allowed values: {expected}"),
    "greater_than_equal": ("{ge} 이상이어야 합니다.", "It must be at least {ge}."),
    "less_than_equal": ("{le} 이하여야 합니다.", "It must be at most {le}."),
}


def _words(kind: str, context: Mapping[str, Any]) -> tuple[str, str]:
    ko, en = _KINDS.get(kind, ("", ""))
    return ko.format_map(context), en.format_map(context)
