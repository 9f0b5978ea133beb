"""Files that a message refers to: whether its customer uploaded them for this use, and whether they live as long as it may be sent."""

from __future__ import annotations

from collections.abc import Sequence

from functions.intake.faults import Fault, Rejections
from functions.intake.form import WantedFile
from functions.intake.ports import IntakePorts


async def check(ctx: IntakePorts, customer: str, wanted: Sequence[WantedFile], send_by_ms: int) -> None:
    """Rejections 2070, one for each that cannot be used. Another customer's is answered as an unknown one."""
    if not wanted:
        return
    found = await ctx.find_files([file.key for file in wanted])
    faults = []
    for file in wanted:
        upload = found.get(file.key)
        if upload is None or upload.customer != customer:
            faults.append(Fault(file.field, "2070", "업로드한 파일이 아닙니다.", "No such file was uploaded."))
        elif upload.channel.partition("-")[0] != file.use:
            ko, en = f"{file.use}용으로 업로드한 파일이 아닙니다.", f"It was not uploaded for channel={file.use}."
            faults.append(Fault(file.field, "2070", ko, en))
        elif upload.expires_at < send_by_ms:
            faults.append(Fault(file.field, "2070", "보관 기간이 곧 끝납니다.", "Its life ends before the message may be sent."))
    if faults:
        raise Rejections(faults)
