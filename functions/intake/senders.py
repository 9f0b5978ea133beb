"""Who a message comes from: sender numbers, profiles and mail domains, checked against what the customer registered."""

from __future__ import annotations

from functions.intake.faults import Fault
from ims.rules import law
from ims.rules.email import address, domain_of
from ims.rules.phone import callback as callback_number
from ims.runtime.clients.callers import Asker


def registered_callback(raw: str, field: str, asker: Asker, faults: list[Fault]) -> str:
    """The sender number in its normal form; 2051 when the customer does not have it. Empty stays empty: another fault says so."""
    if not raw:
        return ""
    number = callback_number(raw)
    if number is None or not asker.directory.owns_callback(asker.customer.name, number):
        faults.append(Fault(field, law.SENDER_REGISTERED.answer))
    return number or ""


def registered_mailbox(raw: str, field: str, asker: Asker, faults: list[Fault]) -> str:
    """The sender's address; 2051 when its domain is not one that the customer registered, or it is no address."""
    if not raw:
        return ""
    mailbox = address(raw)
    if mailbox is None or not asker.directory.owns_domain(asker.customer.name, domain_of(mailbox)):
        ko = "등록된 발신 도메인의 주소여야 합니다."
        faults.append(Fault(field, law.SENDER_REGISTERED.answer, ko, "It must be an address of a registered sending domain."))
    return mailbox or ""


def registered_profile(sender_key: str, asker: Asker, faults: list[Fault]) -> str:
    """The sender key; 2052 when the customer does not have it."""
    if sender_key and not asker.directory.owns_profile(asker.customer.name, sender_key):
        faults.append(Fault("sender_key", "2052"))
    return sender_key
