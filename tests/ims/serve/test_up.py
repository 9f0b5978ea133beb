"""The ports of `ims up`."""

from __future__ import annotations

import socket

import pytest

from ims.serve import up


def test_a_held_port_is_found_by_nobody_and_served_by_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    with up.hold_port() as held:
        address = held.getsockname()
        monkeypatch.setattr(up, "_PORTS_FROM", address[1])
        monkeypatch.setattr(up, "_PORTS", 1)
        with pytest.raises(up.ImsError, match="no free port"):
            up.hold_port()
        for _ in range(2):  # and again, when the process that served it died
            with socket.create_server(address) as server, socket.create_connection(address), server.accept()[0]:
                pass
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(address)
