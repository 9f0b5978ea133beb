"""What a callback URL may and may not point at."""

from __future__ import annotations

import pytest

from ims.adapters.http.destination import Refused, check_addresses, destination

REFUSED = [
    # loopback and this host, in every spelling that some library reads
    "http://127.0.0.1/cb",
    "http://127.8.9.10/cb",
    "http://localhost/cb",
    "http://LOCALHOST:8080/cb",
    "http://localhost./cb",
    "http://app.localhost/cb",
    "http://0.0.0.0/cb",
    "http://0/cb",
    "http://127.1/cb",
    "http://2130706433/cb",
    "http://017700000001/cb",
    "http://0177.0.0.1/cb",
    "http://0x7f000001/cb",
    "http://0x7f.0.0.1/cb",
    "http://0x7f.1/cb",
    "http://127.0.0.1./cb",
    "http://①②⑦.⓪.⓪.①/cb",
    "http://127。0。0。1/cb",
    "http://127%2e0.0.1/cb",
    "http://[::1]/cb",
    "http://[::]/cb",
    "http://[0:0:0:0:0:ffff:7f00:1]/cb",
    "http://[::ffff:127.0.0.1]/cb",
    "http://[::ffff:0:127.0.0.1]/cb",
    "http://[::127.0.0.1]/cb",
    # private, link-local, metadata, shared, test, multicast, reserved
    "http://10.0.0.1/cb",
    "http://172.16.0.1/cb",
    "http://172.31.255.255/cb",
    "http://192.168.1.1/cb",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/cb",
    "http://100.100.100.200/latest/meta-data/",
    "http://168.63.129.16/machine",
    "http://192.0.0.192/opc/v2/",
    "http://192.0.2.1/cb",
    "http://198.18.0.1/cb",
    "http://198.51.100.1/cb",
    "http://203.0.113.1/cb",
    "http://224.0.0.1/cb",
    "http://240.0.0.1/cb",
    "http://255.255.255.255/cb",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fc00::1]/cb",
    "http://[fe80::1]/cb",
    "http://[fe80::1%25eth0]/cb",
    "http://[fec0::1]/cb",
    "http://[ff02::1]/cb",
    "http://[2001:db8::1]/cb",
    "http://[100::1]/cb",
    # an IPv4 address inside an IPv6 one
    "http://[::ffff:10.0.0.1]/cb",
    "http://[::ffff:169.254.169.254]/cb",
    "http://[64:ff9b::169.254.169.254]/cb",
    "http://[64:ff9b::7f00:1]/cb",
    "http://[64:ff9b:1::10.0.0.1]/cb",
    "http://[2002:7f00:1::]/cb",
    "http://[2002:a9fe:a9fe::1]/cb",
    "http://[2001:0:0:0:0:0:80ff:fffe]/cb",
    # names that live inside
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://printer.local/cb",
    "http://intake/cb",
    "http://kubernetes.default.svc.cluster.local/api",
    # users, schemes, ports, trickery
    "http://user@example.com/cb",
    "http://user:pass@example.com/cb",
    "http://example.com@127.0.0.1/cb",
    "http://@example.com/cb",
    "ftp://example.com/cb",
    "file:///etc/passwd",
    "gopher://example.com/_x",
    "//example.com/cb",
    "example.com/cb",
    "http:example.com",
    "http:///cb",
    "",
    "http://example.com:22/cb",
    "http://example.com:25/cb",
    "http://example.com:0/cb",
    "http://example.com:6667/cb",
    "http://example.com:70000/cb",
    "http://example.com\\@127.0.0.1/cb",
    "http://exa mple.com/cb",
    "http://example.com/cb\r\nHost: 127.0.0.1",
    "http://example.com\t/cb",
    "http://exam_ple..com/cb",
    f"http://{'a' * 64}.com/cb",
]

ALLOWED = [
    "https://example.com/cb",
    "http://example.com/cb?token=1",
    "https://EXAMPLE.com./cb",
    "https://hooks.example.co.kr:8443/ims/결과",
    "https://한국.kr/cb",
    "http://my_host.example.com:8080/",
    "http://8.8.8.8/cb",
    "http://[2606:4700::1111]/cb",
    "http://[64:ff9b::808:808]/cb",
    "http://0x7f.example.com/cb",
]


@pytest.mark.parametrize("url", REFUSED)
def test_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        destination(url, allow_loopback=False)
    assert "http" not in str(refused.value).replace("http nor https", "")


@pytest.mark.parametrize("url", ALLOWED)
def test_allowed(url: str) -> None:
    destination(url, allow_loopback=False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8099/cb", "http://127.5.5.5/cb", "http://localhost:9000/cb", "http://[::1]:9000/cb"])
def test_loopback_where_it_is_allowed(url: str) -> None:
    destination(url, allow_loopback=True)


_STILL = [url for url in REFUSED if url not in {"http://127.0.0.1/cb", "http://127.8.9.10/cb", "http://[::1]/cb"}]


@pytest.mark.parametrize("url", [u for u in _STILL if "localhost" not in u.lower() and "①" not in u and "。" not in u])
def test_allowing_loopback_opens_nothing_else(url: str) -> None:
    with pytest.raises(Refused):
        destination(url, allow_loopback=True)


@pytest.mark.parametrize(
    ("host", "addresses", "allow_loopback", "good"),
    [
        ("example.com", ["93.184.216.34", "2606:2800:220:1::1"], False, True),
        ("example.com", ["93.184.216.34", "10.0.0.1"], False, False),  # one bad address spoils all
        ("example.com", ["93.184.216.34", "fe80::1%eth0"], False, False),
        ("example.com", ["64:ff9b::5db8:d822"], False, True),
        ("example.com", ["127.0.0.1"], True, False),  # a public name may not lead to loopback
        ("localhost", ["127.0.0.1", "::1"], True, True),
        ("localhost", ["127.0.0.1", "::1"], False, False),
        ("localhost", ["10.0.0.1"], True, False),
    ],
)
def test_what_a_name_resolves_to(host: str, addresses: list[str], allow_loopback: bool, good: bool) -> None:
    if good:
        check_addresses(host, addresses, allow_loopback)
    else:
        with pytest.raises(Refused):
            check_addresses(host, addresses, allow_loopback)
