"""Two customers to try IMS with, the same ones after every restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ims.cli.registry import x_ims_key
from ims.errors import Unavailable
from ims.lanes import Lane
from ims.rules.registration import LOOPBACK, parse_registration

if TYPE_CHECKING:
    from ims.adapters.sql.registry import SqlRegistry

TEMPLATE_CODE = "WELCOME_01"
APP_ID = "demo-app"
_DEMOS = (("demo", "15441234"), ("demo2", "15881234"))  # name (also its user) and sender number
_TEMPLATES = (
    {"code": TEMPLATE_CODE, "channel": "at", "text": "#{name}님, 가입을 환영합니다."},
    {"code": TEMPLATE_CODE, "channel": "mt", "text": "#{name}님, 가입을 환영합니다."},
    {"code": "ORDER_01", "channel": "at", "text": "#{name}님, 주문하신 #{item} 상품이 발송되었습니다."},
)


def _sending_domain(name: str) -> str:
    return f"{name}.example"


async def ensure_demo(registry: SqlRegistry) -> list[dict[str, Any]]:
    """The demo customers as `up.json` shows them. What exists is kept: keys and secrets survive a restart and a rotation."""
    secrets = {name: await registry.demo_secret(name, name) for name, _ in _DEMOS}
    entries = [
        {
            "name": name,
            "username": name,
            "secret": secrets[name],
            "callback_allowed": [LOOPBACK],
            "service_keys": [{"kind": str(kind)} for kind in Lane],
            "sender_numbers": [number],
            "sender_profiles": [_sender_key(name)],
            "rcs_brands": [{"brand_key": _brand_key(name), "chatbots": [number]}],
            "templates": _TEMPLATES,
            "sending_domains": [_sending_domain(name)],
            "push_apps": [{"app_id": APP_ID}],  # without keys: the simulator asks for none
        }
        for name, number in _DEMOS
    ]
    issued = await registry.register(parse_registration(json.dumps({"customers": entries})))
    directory = await registry.directory()
    shown = []
    for (name, number), one in zip(_DEMOS, issued, strict=True):
        customer = directory.customer(name)
        if customer is None:
            raise Unavailable("the demo customers were registered and are not to be seen")
        shown.append(
            {
                "name": name,
                "x_ims_key": x_ims_key(name, secrets[name]),
                "service_keys": {str(key.kind): key.key for key in one.service_keys},
                "callback_secret": customer.callback_secrets[0],
                "sender_key": _sender_key(name),
                "brand_key": _brand_key(name),
                "template_code": TEMPLATE_CODE,
                "callback": number,
                "app_id": APP_ID,
                "from_email": f"no-reply@{_sending_domain(name)}",
            }
        )
    return shown


def _brand_key(name: str) -> str:
    return f"BR.{name}"


def _sender_key(name: str) -> str:
    return f"{name}senderkey".ljust(40, "0")  # Kakao's have 40 characters
