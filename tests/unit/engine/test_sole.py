"""What is reserved for a request that is passed to a provider as it is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman.accounts.limits import Limit
from dragoman.engine.accounting import UNACCOUNTED
from dragoman.engine.sole import end_failed, enter_alone, enter_unmeasured
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord
from tests.unit.engine.accounts import NOW, meter, standing


async def test_a_request_without_a_model_does_not_wait_for_a_budget() -> None:
    limits = [Limit("r", "requests", 1, "minute", "global"), Limit("t", "tokens", 5, "month", "global")]
    first, ledger, _ = meter(*limits)
    assert first.applies("m")
    assert first.applied is not None
    ledger.seed({one.counter: 5 for one in first.applied.standing_claims(NOW)})
    other, _, _ = meter(*limits, ledger=ledger)
    with pytest.raises(RequestFailed) as refused:
        await enter_alone(other, AttemptRecord("a", "one/files", None, "relay", 1.0))
    assert refused.value.fault.code == "rate_limit_exceeded"
    with pytest.raises(RequestFailed) as refused:
        await first.admit()
    assert refused.value.fault.code == "insufficient_quota"


@pytest.mark.parametrize("subject", ["global", "provider"])
async def test_a_request_of_unknown_cost_waits_for_a_budget_whoever_has_it(subject: Any) -> None:
    used_up, refusing = Limit("t", "tokens", 5, "day", subject), Limit("m", "money", 9, "day", subject)
    refusing = msgspec.structs.replace(refusing, unknown_price="refuse")
    record = AttemptRecord("a", "nobody/batches", None, "relay", 1.0)
    first, ledger, _ = meter(used_up)
    await enter_unmeasured(first, record)
    assert list(standing(ledger).values()) == [(0, 1)]
    ledger.seed(dict.fromkeys(standing(ledger), 4))
    other, _, _ = meter(used_up, ledger=ledger)
    with pytest.raises(RequestFailed) as refused:
        await enter_unmeasured(other, record)
    assert refused.value.fault.code == "insufficient_quota"
    last, _, exchange = meter(refusing)
    with pytest.raises(RequestFailed) as refused:
        await enter_unmeasured(last, record)
    assert (refused.value.fault.code, exchange.refused_by) == ("unknown_price", "m")


async def test_a_failure_tells_what_limits_leave_without_what_it_has_reserved() -> None:
    used_up = Limit("t", "tokens", 5, "day", "global")
    found, ledger, exchange = meter(Limit("r", "requests", 9, "day"), used_up)
    assert found.applies("one/batches")
    assert found.applied is not None
    ledger.seed({found.applied.standing_claims(NOW)[1].counter: 5})
    with pytest.raises(RequestFailed) as refused:
        await enter_unmeasured(found, AttemptRecord("a", "one/batches", None, "relay", 1.0))
    end_failed(found, exchange, refused.value, gone=False)
    assert exchange.fault is refused.value.fault
    told = dict(refused.value.headers)
    assert told[b"x-ratelimit-remaining-requests"] == b"9"
    assert told[b"x-ratelimit-remaining-tokens"] == b"0"
    end_failed(None, exchange, failed := RequestFailed(UNACCOUNTED), gone=False)
    assert (exchange.fault, failed.headers) == (UNACCOUNTED, ())
