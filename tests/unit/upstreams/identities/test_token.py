"""Sign-ins run in threads, are bounded, and twenty requests cause one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from dragoman.errors import RequestFailed
from dragoman.upstreams.credential import Lease, NotRenewed, Refreshing
from dragoman.upstreams.identities import token
from dragoman.upstreams.identities.token import EARLY, SignIn, Token, told

NOTHING = Lease(None, expires=0.0)


def refreshing(obtain: Callable[[], Token], now: Callable[[], float]) -> Refreshing:
    return Refreshing("up[google]", "up", NOTHING, SignIn(obtain).fetch, now, early=EARLY, every=300.0)


async def test_twenty_requests_at_the_end_cause_one_sign_in_in_another_thread() -> None:
    threads: list[int] = []
    seconds = 1000.0

    def obtain() -> Token:
        threads.append(threading.get_ident())
        return Token(f"token-number-{len(threads)}", seconds + 3600)

    credential = refreshing(obtain, lambda: seconds)
    leases = await asyncio.gather(*(credential.current() for _ in range(20)))
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()
    assert {lease.secret.reveal() for lease in leases if lease.secret} == {"token-number-1"}

    seconds += 3600  # the end
    leases = await asyncio.gather(*(credential.current() for _ in range(20)))
    assert len(threads) == 2
    assert {lease.secret.reveal() for lease in leases if lease.secret} == {"token-number-2"}


async def test_the_next_token_comes_before_the_end_and_nobody_waits_for_it() -> None:
    given: list[Token] = [Token("the-first-token", 3600.0), Token("the-second-token", 7200.0)]
    seconds = 0.0
    credential = refreshing(lambda: given.pop(0), lambda: seconds)
    first = await credential.current()
    seconds = 3600 - EARLY - 1
    assert await credential.current() is first
    assert len(given) == 1
    seconds = 3600 - EARLY
    assert await credential.current() is first  # at once, while the sign-in runs
    while given or credential.lease is first:  # noqa: ASYNC110 - another thread works
        await asyncio.sleep(0.001)
    assert (await credential.current()).expires == 7200.0


async def test_a_failed_sign_in_serves_the_old_token_until_its_end_and_then_blames_the_gateway() -> None:
    seconds, fails = 0.0, False

    def obtain() -> Token:
        if fails:
            raise NotRenewed("the metadata server said 503")
        return Token("the-first-token", 3600.0)

    credential = refreshing(obtain, lambda: seconds)
    first = await credential.current()
    fails = True
    seconds = 3500.0
    assert await credential.current() is first
    while credential.state.error is None:  # noqa: ASYNC110 - another thread works
        await asyncio.sleep(0.001)
    seconds = 3599.0
    assert await credential.current() is first
    seconds = 3600.0
    with pytest.raises(RequestFailed) as raised:
        await credential.current()
    fault = raised.value.fault
    assert (fault.kind, fault.code, fault.blame) == ("upstream", "credential_expired", "gateway")
    assert "'up'" in fault.message
    assert "the metadata server said 503" in fault.message
    fails = False
    seconds = 3602.0
    with pytest.raises(RequestFailed):
        await credential.current()  # the cloud repeats a token that has expired


async def test_a_gateway_that_never_could_sign_in_says_so() -> None:
    def obtain() -> Token:
        raise ValueError("no identity\nhere")

    with pytest.raises(RequestFailed) as raised:
        await refreshing(obtain, lambda: 5.0).current()
    fault = raised.value.fault
    assert (fault.kind, fault.code) == ("upstream", "sign_in_failed")
    assert fault.message == "The gateway cannot sign in to the provider 'up': no identity here."


async def test_the_same_token_is_the_same_lease_and_is_not_asked_for_at_once_again() -> None:
    seconds, asked = 0.0, 0

    def obtain() -> Token:
        nonlocal asked
        asked += 1
        return Token("the-only-token", 3600.0)

    credential = refreshing(obtain, lambda: seconds)
    first = await credential.current()
    seconds = 3500.0
    for _ in range(50):
        assert await credential.current() is first
        await asyncio.sleep(0.001)
    assert asked == 2


async def test_a_library_that_hangs_is_left_after_a_while_and_only_some_may_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(token, "PATIENCE", 0.01)
    monkeypatch.setattr(token, "_MOST", 1)
    hang = threading.Event()

    def obtain() -> Token:
        hang.wait(60)
        return Token("too-late", None)

    with pytest.raises(NotRenewed, match="no token came"):
        await SignIn(obtain).fetch(NOTHING)
    with pytest.raises(NotRenewed, match="too many sign-ins"):
        await SignIn(obtain).fetch(NOTHING)
    hang.set()
    while SignIn.running:  # noqa: ASYNC110 - another thread works
        await asyncio.sleep(0.001)


def test_errors_are_told_in_one_short_line() -> None:
    assert told(ValueError("a\n  b")) == "a b"
    assert told(ValueError()) == "ValueError"
    assert len(told(ValueError("x" * 1000))) == 301


async def test_a_token_that_no_header_can_hold_is_none() -> None:
    for text in ("", "a\nb"):
        with pytest.raises(NotRenewed, match="the token "):
            await SignIn(lambda text=text: Token(text, None)).fetch(NOTHING)  # type: ignore[misc]
