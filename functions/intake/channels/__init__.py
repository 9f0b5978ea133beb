"""The channels that intake serves: one module each, and this table, from which paths, checks and the OpenAPI document follow."""

from __future__ import annotations

from functions.intake.channels import at, bt, email, ft, mt, push, rcs
from functions.intake.form import Form
from ims.topics import Channel

FORMS: dict[Channel, Form] = {
    Channel.AT: at.FORM,
    Channel.FT: ft.FORM,
    Channel.BT: bt.FORM,
    Channel.MT: mt.FORM,
    Channel.EMAIL: email.FORM,
    Channel.PUSH: push.FORM,
    Channel.RCS: rcs.FORM,
}
