"""Clients of one home, side by side: campaigns and one-time codes at once, repeated by their ids as the contract says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from books import Books


class Load:
    """`with Load(...)`: runs until the block ends, or until all that was wanted is answered."""

    def __init__(
        self,
        books: Books,
        *,
        campaigns: int = 4,
        rows: int = 500,
        singles: int = 150,
        keys: tuple[str, ...] = ("auth", "realtime"),
        give_up_each: int = 10,
        repeat_for_s: float = 60,
    ) -> None:
        self._books = books
        self._until = time.monotonic() + repeat_for_s
        self._failed: list[BaseException] = []
        self._stop = threading.Event()
        jobs: list[Callable[[], None]] = [lambda: self._campaigns(campaigns, rows)]
        jobs += [lambda key=key: self._singles(key, singles // len(keys), give_up_each) for key in keys]
        self._threads = [threading.Thread(target=self._run, args=(job,), daemon=True) for job in jobs]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(max(1.0, self._until - time.monotonic() + 65))
        assert not any(t.is_alive() for t in self._threads), "a client hangs"
        if self._failed:
            raise self._failed[0]

    def wait_for(self, answered: int, timeout: float = 30) -> None:
        """Until so many messages are answered: the moment of a blow, in the middle of things."""
        deadline = time.monotonic() + timeout
        while len(self._books.answered) < answered and time.monotonic() < deadline:
            time.sleep(0.005)

    def _run(self, job: Callable[[], None]) -> None:
        try:
            job()
        except BaseException as exc:
            self._failed.append(exc)

    def _campaigns(self, campaigns: int, rows: int) -> None:
        for _ in range(campaigns):
            self._books.bulk(rows, self._until)

    def _singles(self, key: str, count: int, give_up_each: int) -> None:
        for n in range(count):
            # one in so many clients never asks again: what it sent may go out or not, but not twice
            self._books.single(key, self._until, insist=bool((n + 1) % give_up_each))


class Stream(Load):
    """`with Stream(...)`: the same clients at a pace of their own, until the block ends; then each has what it sent answered.

    Campaigns take turns over `bulk_keys`; one thread a key of `keys` sends single texts, one AlimTalk.
    """

    def __init__(
        self,
        books: Books,
        *,
        rows: int = 200,
        every_s: float = 0.6,
        single_every_s: float = 0.15,
        keys: tuple[str, ...] = ("auth", "realtime"),
        bulk_keys: tuple[str, ...] = ("mass",),
        repeat_for_s: float = 120,
    ) -> None:
        super().__init__(books, campaigns=0, singles=0, keys=())
        self._until = float("inf")
        self._repeat_for_s = repeat_for_s

        def campaign(n: int) -> None:
            books.bulk(rows, self._until, key=bulk_keys[n % len(bulk_keys)])

        def single(key: str, n: int) -> None:
            books.single(key, self._until, insist=n % 10 != 9)

        jobs: list[Callable[[], None]] = [lambda: self._often(every_s, campaign)]
        jobs += [lambda key=key: self._often(single_every_s, lambda n: single(key, n)) for key in keys]
        jobs += [lambda: self._often(2 * single_every_s, lambda _: books.alimtalk("realtime", self._until))]
        self._threads = [threading.Thread(target=self._run, args=(job,), daemon=True) for job in jobs]

    def __exit__(self, *_: object) -> None:
        self._until = time.monotonic() + self._repeat_for_s
        self._stop.set()
        super().__exit__()

    def _often(self, every_s: float, send: Callable[[int], object]) -> None:
        sent = 0
        while not self._stop.wait(every_s):
            send(sent)
            sent += 1
