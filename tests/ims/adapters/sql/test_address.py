"""Where a database server is: one URL, and nothing of it in an error text."""

from __future__ import annotations

import pytest

from ims.adapters.sql.address import ServerAddress
from ims.errors import Misconfigured


def test_a_url_names_server_user_and_the_prefix_of_the_databases():
    address = ServerAddress.parse("mysql://ims:s%40cret@db.example:3307/ims")
    assert (address.host, address.port, address.user, address.password) == ("db.example", 3307, "ims", "s@cret")
    assert address.databases() == ["ims_auth", "ims_realtime", "ims_mass", "ims_ad", "ims_registry"]
    assert address.ssl_context() is None
    assert "s@cret" not in repr(address)


def test_tls_checks_certificate_and_name_and_takes_a_ca(tmp_path):
    context = ServerAddress.parse("mariadb://ims@db/ims?tls=on").ssl_context()
    assert context is not None and context.check_hostname
    ca = tmp_path / "ca.pem"
    ca.write_text("")
    assert ServerAddress.parse(f"mysql://ims@db/ims?tls=on&tls_ca={ca}").tls_ca == ca


@pytest.mark.parametrize(
    "url",
    [
        "postgres://ims:secret@db/ims",
        "mysql://ims:secret@db",
        "mysql://:secret@db/ims",
        "mysql://ims:secret@db:no/ims",
        "mysql://ims:secret@db/ims-1",
        "mysql://ims:secret@db/ims?ssl=1",
        "mysql://ims:secret@db/ims?tls=maybe",
        "mysql://ims:secret@db/ims?tls_ca=/nowhere",
        "mysql://ims:secret@db/ims?tls=on&tls_ca=/nowhere",
    ],
)
def test_a_wrong_url_names_its_setting_and_nothing_secret(url):
    with pytest.raises(Misconfigured, match="IMS_RECORDS") as refused:
        ServerAddress.parse(url)
    assert "secret" not in str(refused.value)
