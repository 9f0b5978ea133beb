"""Every error of IMS, by what the one who meets it does next.

ImsError
├── Rejected            tell the caller: a code, the field, 4xx
├── Later               answer 503: the same event or request may succeed when it comes again
│   ├── Conflict        a compare-and-set was lost; decide again on the new state
│   └── Unavailable     a store, log or peer is away
│       ├── Untrusted     it shows a certificate that we cannot verify: nothing was sent to it
│       └── LoginRefused  it is there, and does not let us in
├── Poison              answer 400: this event can never be handled, keep it as a dead letter
├── TooLarge            a record that the log will never take
├── Misconfigured       refuse to start, naming the setting
└── ProviderError       what a whole call to a provider came to
    ├── NotSent         surely not sent: the call may be made again
    ├── CallRefused     surely not sent, and will not be: a definite answer for all members
    └── Unclear         nobody knows: repeat under its key, or ask, never send anew

Messages never hold bodies, numbers or addresses of people, or keys.
"""

from __future__ import annotations


class ImsError(Exception):
    """The root; never raised itself."""


class Rejected(ImsError):
    """A request that must be answered with a code from `ims.codes` and changes nothing."""

    def __init__(self, code: str, field: str | None = None, detail: str = "") -> None:
        super().__init__(f"{code} {field or ''} {detail}".strip())
        self.code = code
        self.field = field
        self.detail = detail


class Later(ImsError):
    """Come again; nothing is lost and nothing was half done."""


class Conflict(Later):
    """Somebody else changed the row between reading and writing it."""


class Unavailable(Later):
    """Something that IMS needs does not answer."""


class Untrusted(Unavailable):
    """Its certificate is signed by nobody whom we trust, or names another server. For an operator: it does not pass by itself."""


class LoginRefused(Unavailable):
    """It does not take our user and password, or lets this user do too little. Passes when a password that is being changed is."""


class Poison(ImsError):
    """An event that no retry can help."""


class TooLarge(ImsError):
    """A record is larger than the log allows; the text names its id and size."""


class Misconfigured(ImsError):
    """A setting is wrong; the text names it."""


class ProviderError(ImsError):
    """What a whole call came to; `code` is a result code of `ims.results`, `provider_code` the provider's own word."""

    def __init__(self, code: str, provider_code: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(f"{code} {provider_code}".strip())
        self.code = code
        self.provider_code = provider_code
        self.retry_after_s = retry_after_s


class NotSent(ProviderError):
    """Surely not sent: refused connection, 429, a provider's own "try again"."""


class CallRefused(ProviderError):
    """Surely not sent and final, for every member: bad credential, unknown sender."""


class Unclear(ProviderError):
    """Time-out, cut connection or unreadable answer after the call began."""
