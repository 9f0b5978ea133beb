"""Which lane a request travels in (contract 4): key, then template, then size, then content, each only ever lower."""

from __future__ import annotations

from ims.errors import Rejected
from ims.lanes import MASS_FROM_RECIPIENTS, Lane, lower

AD_MARK = "(광고)"


def is_ad(*texts: str) -> bool:
    """Whether any text or title begins as the law wants an advertisement to begin."""
    return any(text.lstrip().startswith(AD_MARK) for text in texts)


def derive(kind: Lane, *, category: str = "", recipients: int = 1, ad: bool = False, send_class: str = "") -> Lane:
    """The lane. `category` is the template's, `send_class` the request's wish; neither can raise what the key allows.

    Rejected (1400) for an auth key with a campaign's worth of recipients: one-time codes are asked for one by one.
    """
    if kind is Lane.AUTH and recipients >= MASS_FROM_RECIPIENTS:
        raise Rejected("1400", "receiver_list", "an auth key takes fewer recipients")
    lane = kind
    if category:
        lane = lower(lane, Lane(category))
    if recipients >= MASS_FROM_RECIPIENTS:
        lane = lower(lane, Lane.MASS)
    if ad:
        lane = Lane.AD
    if send_class:
        lane = lower(lane, Lane(send_class))
    return lane
