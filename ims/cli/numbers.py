"""`ims numbers`: what operators decide of the sender numbers that customers claim (발신번호 사전등록)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ims.adapters.sql.registry import SqlRegistry
from ims.cli.registry import on_registry
from ims.cli.show import fail, show
from ims.errors import CallRefused
from ims.ports.registers import Record
from ims.rules import phone
from ims.rules.result import iso

OPERATOR = "operator"  # as customers read it in their audit log
REASON_CHARACTERS = 200

app = typer.Typer(no_args_is_help=True, help="Sender numbers that customers claim: look at proofs, approve, refuse.")
Number = Annotated[str, typer.Argument(help="The sender number.")]
Proof = Annotated[str, typer.Option(help="The file that was looked at: a claim that rests on another one by now is left alone.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def add_to(root: typer.Typer) -> None:
    """Register the commands."""
    root.add_typer(app, name="numbers")


async def claimed(registry: SqlRegistry, customer: str | None) -> list[dict[str, Any]]:
    """The claims that wait, the oldest first."""
    return [asdict(claim) | {"claimed_at": iso(claim.claimed_at)} for claim in await registry.number_claims.open(customer)]


async def decide(registry: SqlRegistry, customer: str, number: str, *, approved: bool, reason: str = "", proof: str = "") -> dict[str, Any]:
    """The number as it stands then, in force everywhere within five seconds."""
    found = await registry.number_claims.decide(customer, _normal(number), approved=approved, reason=reason, proof=proof, user=OPERATOR)
    return _shown(customer, found)


@app.command("claimed")
def claimed_command(customer: Annotated[str | None, typer.Argument(help="Only this customer.")] = None, as_json: Json = False) -> None:
    """List the claims that wait for a decision, the oldest first."""
    show(on_registry(lambda r: claimed(r, customer)), as_json)


@app.command("proof")
def proof_command(customer: str, number: Number, to: Annotated[Path, typer.Argument(help="Where the file is written.")]) -> None:
    """Write the proof of a claim to a file, to be looked at."""
    content = asyncio.run(_proof(customer, on_registry(lambda r: r.number_claims.proof_of(customer, _normal(number)))))
    to.write_bytes(content)


@app.command("approve")
def approve_command(customer: str, number: Number, *, proof: Proof = "", as_json: Json = False) -> None:
    """Let the customer send from it."""
    show(on_registry(lambda r: decide(r, customer, number, approved=True, proof=proof)), as_json)


@app.command("refuse")
def refuse_command(
    customer: str,
    number: Number,
    *,
    reason: Annotated[str, typer.Option(help="Why; the customer reads it.")],
    proof: Proof = "",
    as_json: Json = False,
) -> None:
    """Refuse the claim; an approved number may not be sent from any more."""
    if len(reason) > REASON_CHARACTERS:
        fail(f"--reason has {REASON_CHARACTERS} characters at most")
    show(on_registry(lambda r: decide(r, customer, number, approved=False, reason=reason, proof=proof)), as_json)


async def _proof(customer: str, file_key: str) -> bytes:
    from ims.cli.home import existing_home
    from ims.wiring import build, close

    ctx = build(existing_home(), "numbers", with_providers=False)
    try:
        if ctx.attached is None or await ctx.attached.look(customer, file_key) is None:
            fail("the proof was deleted, or its days are over")
        return (await ctx.attached.fetch(file_key)).content
    except CallRefused:
        fail("the proof was deleted, or its days are over")
    finally:
        await close(ctx)


def _normal(number: str) -> str:
    return phone.callback(number) or number


def _shown(customer: str, record: Record) -> dict[str, Any]:
    fields = {name: iso(value) if name.endswith("_at") else value for name, value in record.fields.items()}
    return {"customer": customer, **fields}
