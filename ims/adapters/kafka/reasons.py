"""Why Kafka could not be connected to: kafka-python's clients say only that their time is over, and the reason in their log alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import errors

from ims.adapters.trust import untrusted

_LOGGER = "kafka.net"  # every connection that failed, with the exception
_one_at_a_time = threading.Lock()  # a line of the log does not say whose client it is of


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.errors: list[BaseException] = []
        self.answered = False  # a broker that spoke with us closed the connection

    def emit(self, record: logging.LogRecord) -> None:
        said = record.args if isinstance(record.args, tuple) else ()
        self.errors += [each for each in said if isinstance(each, BaseException)]
        self.answered |= any(getattr(each, "broker_version", None) is not None for each in said)

    def reason(self, *, login: bool) -> BaseException | None:
        for error in self.errors:
            if untrusted(error) or isinstance(error, errors.SaslAuthenticationFailedError):
                return error
        if login and self.answered:  # over TLS the library loses the refusal that comes just before the end of the connection
            refused: Exception = errors.SaslAuthenticationFailedError("the broker ends the connection while we log in")
            return refused
        return None


@contextmanager
def telling(*, login: bool) -> Iterator[None]:
    """Around what makes a client: where it was refused, the KafkaTimeoutError that is raised comes from what refused it."""
    logger, heard = logging.getLogger(_LOGGER), _Heard()
    with _one_at_a_time:
        level, propagate = logger.level, logger.propagate
        logger.setLevel(logging.ERROR)
        logger.propagate = False  # not for our own log: it comes many times a second
        logger.addHandler(heard)
        try:
            yield
        except errors.KafkaTimeoutError as exc:
            raise exc from heard.reason(login=login)
        finally:
            logger.removeHandler(heard)
            logger.setLevel(level)
            logger.propagate = propagate
