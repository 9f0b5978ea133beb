"""The records of uploaded files, in the registry's database. They are looked up by key when they are used, not kept in its snapshot."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select

from ims.adapters.sql.database import Database
from ims.adapters.sql.registry_tables import files, handed_files
from ims.ports.attachments import Upload

_COLUMNS = [files.c[name] for name in ("file_key", *Upload._fields[1:])]


class SqlUploads:
    """ims.ports.attachments.Uploads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, upload: Upload, most_bytes: int) -> bool:
        row = {**upload._asdict(), "file_key": upload.key}
        del row["key"]

        def job(conn: Connection) -> bool:
            living = (files.c.customer == upload.customer) & (files.c.expires_at > upload.created_at)
            kept = conn.execute(select(func.coalesce(func.sum(files.c.size), 0)).where(living)).scalar_one()
            if int(kept) + upload.size > most_bytes:
                return False
            conn.execute(insert(files), row)
            return True

        return await self._db.write(job, durable=True)

    async def find(self, keys: Sequence[str], now_ms: int) -> dict[str, Upload]:
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return {}
        query = select(*_COLUMNS).where(files.c.file_key.in_(wanted), files.c.expires_at > now_ms)
        found = await self._db.read(lambda conn: [Upload(*row) for row in conn.execute(query)])
        return {upload.key: upload for upload in found}

    async def remove(self, customer: str, key: str) -> bool:
        def job(conn: Connection) -> bool:
            if conn.execute(delete(files).where(files.c.file_key == key, files.c.customer == customer)).rowcount == 0:
                return False
            conn.execute(delete(handed_files).where(handed_files.c.file_key == key))
            return True

        return await self._db.write(job, durable=True)

    async def drop_page(self, now_ms: int, limit: int) -> int:
        def job(conn: Connection) -> int:
            gone = 0
            for table in (handed_files, files):  # what providers were given first: nothing of a forgotten file stays behind
                old = conn.execute(select(table.c.file_key).where(table.c.expires_at <= now_ms).limit(limit)).scalars().all()
                if old:
                    gone += conn.execute(delete(table).where(table.c.file_key.in_(old), table.c.expires_at <= now_ms)).rowcount
            return gone

        return await self._db.write(job, durable=True)

    async def handed(self, key: str, to: str, now_ms: int) -> str | None:
        same = (handed_files.c.file_key == key) & (handed_files.c.handed_to == to) & (handed_files.c.expires_at > now_ms)
        return await self._db.read(lambda conn: conn.execute(select(handed_files.c.given).where(same)).scalar())

    async def keep_handed(self, key: str, to: str, given: str, until_ms: int) -> None:
        row = {"file_key": key, "handed_to": to, "given": given, "expires_at": until_ms}

        def job(conn: Connection) -> None:
            conn.execute(delete(handed_files).where(handed_files.c.file_key == key, handed_files.c.handed_to == to))
            conn.execute(insert(handed_files), row)

        await self._db.write(job, durable=True)
