"""A server of MongoDB's protocol (mongo-java-server): where no mongod is to be had, it does what IMS asks of one.

It keeps its data in memory, accepts indexes of which it uses only unique ones, and expires nothing: a stop empties it.
"""

from __future__ import annotations

import struct

from infra import maven
from infra.place import HOST, Place
from infra.process import Process
from infra.service import Node, Service, ask
from infra.tls import certificates

_PING = b"\x10ping\x00\x01\x00\x00\x00" + b"\x02$db\x00\x06\x00\x00\x00admin\x00"
_OP_MSG = 2013
_HEAP = ("-Xms64m", "-Xmx1g", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")  # full, it ends, rather than answer nobody


def service(place: Place, *, secure: bool = False) -> Service:
    """One server; no replica set, so majority write concern is accepted and means nothing. `secure`: TLS; it knows no users."""
    port = place.port("mongo")
    authority = certificates(place).authority if secure else None

    def command() -> list[str]:
        program = [maven.class_path(place, "mongo"), maven.main_class("mongo"), HOST, str(port)]
        if secure:
            program += [str(certificates(place).key), str(certificates(place).certificate)]
        return [maven.NEEDS[0].path(), *_HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", *program]

    url = f"mongodb://{HOST}:{port}"
    return Service(
        name="mongo",
        nodes=[Node(Process(place, "mongo", command), port, url, lambda: b"ok" in ask(port, _message(_PING), authority=authority))],
        settings=lambda: {"IMS_TRACES": f"{url}/ims" + (f"?tls=true&tlsCAFile={authority}" if authority else "")},
        needs=maven.NEEDS,
        build=lambda: maven.fetch(place, "mongo"),
    )


def _message(elements: bytes) -> bytes:
    """A command as the wire protocol wants it: header, flags, one section with one document."""
    document = struct.pack("<i", len(elements) + 5) + elements + b"\x00"
    return struct.pack("<iiiiIB", 16 + 5 + len(document), 1, 0, _OP_MSG, 0, 0) + document
