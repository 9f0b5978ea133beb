"""Whether a connection did not come about because of a certificate that we do not trust: that is an operator's to mend."""

from __future__ import annotations

import ssl

_REASON = "CERTIFICATE_VERIFY_FAILED"  # OpenSSL's name of it: of pymongo's errors only the text is left


def untrusted(error: BaseException | None) -> bool:
    """Libraries wrap what the handshake raised, some of them twice."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLCertVerificationError) or _REASON in str(error):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
