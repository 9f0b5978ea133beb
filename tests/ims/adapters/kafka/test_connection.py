from __future__ import annotations

import pytest

from ims.adapters.kafka.connection import connect_to
from ims.errors import Misconfigured

SASL = {"sasl_mechanism": "SCRAM-SHA-512", "username": "ims", "password": "hidden-word"}


@pytest.mark.parametrize(
    ("url", "servers", "tls"),
    [
        ("kafka://one:9092,two:9093", ("one:9092", "two:9093"), False),
        ("kafka://one", ("one:9092",), False),
        ("kafka+ssl://broker.example:9094/", ("broker.example:9094",), True),
        ("kafka://[::1]:9092", ("[::1]:9092",), False),
    ],
)
def test_a_url_names_servers_and_transport(url, servers, tls):
    connection = connect_to(url)
    assert (connection.servers, connection.tls) == (servers, tls)


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("", {}, "begins with kafka://"),
        ("redis://one", {}, "begins with kafka://"),
        ("kafka://", {}, "no host:port"),
        ("kafka://one:port", {}, "no host:port"),
        ("kafka://one:99999", {}, "no host:port"),
        ("kafka://one,,two", {}, "no host:port"),
        ("kafka://one, two", {}, "no host:port"),
        ("kafka://user:word@one", {}, "settings of their own"),
        ("kafka://one/Topic", {}, "small letters"),
        ("kafka://one/a/b", {}, "small letters"),
        ("kafka://one?x=1", {}, "nothing but a prefix may follow"),
        ("kafka://one", SASL | {"sasl_mechanism": "MAGIC"}, "MAGIC"),
        ("kafka://one", SASL | {"password": ""}, "all three"),
        ("kafka://one", SASL | {"sasl_mechanism": ""}, "all three"),
    ],
)
def test_a_wrong_one_is_named_with_its_setting(url, options, says):
    with pytest.raises(Misconfigured, match=r"^IMS_LOG: ") as caught:
        connect_to(url, **options)
    assert says in str(caught.value)
    assert "hidden-word" not in str(caught.value)


def test_a_prefix_names_topics_and_groups_of_one_installation_among_several():
    connection = connect_to("kafka://one:9092,two:9093/staging")
    assert connection.servers == ("one:9092", "two:9093")
    assert (connection.named("REPORT-MASS"), connection.ours("staging-REPORT-MASS")) == ("staging-REPORT-MASS", "REPORT-MASS")
    alone = connect_to("kafka://one")
    assert alone.named("REPORT-MASS") == alone.ours("REPORT-MASS") == "REPORT-MASS"


def test_a_ca_file_must_be_there_and_be_of_use(tmp_path):
    with pytest.raises(Misconfigured, match="not there"):
        connect_to("kafka+ssl://one", ca_file=tmp_path / "none.pem")
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(Misconfigured, match="only"):
        connect_to("kafka://one", ca_file=tmp_path / "ca.pem")
    client = connect_to("kafka+ssl://one", ca_file=tmp_path / "ca.pem").client("t")
    assert client["ssl_cafile"] == str(tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("url", "options", "protocol"),
    [
        ("kafka://one", {}, "PLAINTEXT"),
        ("kafka+ssl://one", {}, "SSL"),
        ("kafka://one", SASL, "SASL_PLAINTEXT"),
        ("kafka+ssl://one", SASL, "SASL_SSL"),
    ],
)
def test_clients_are_told_the_protocol(url, options, protocol):
    client = connect_to(url, **options).client("t")
    assert client["security_protocol"] == protocol
    assert ("sasl_plain_password" in client) is bool(options)


def test_the_password_is_not_shown():
    assert "hidden-word" not in repr(connect_to("kafka://one", **SASL))
