"""The latest exchanges are kept, the usual ones as they are and the large ones cut."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.dialects.loss import Change, Loss
from dragoman.exchange import AttemptRecord, Exchange, KeptBodies
from dragoman.observe.finished import Finished, Wanted, lean, place

BROKEN = ir.Fault("upstream", "It broke.", code="server_error", blame="upstream")


def exchange(number: int, asked: str | None = "m", **fields: Any) -> Exchange:
    id_ = f"{number:08x}"
    one = Exchange(f"ex_{id_}", f"req_{id_}", "openai_chat", "POST", "/", began=0.0, created=float(number))
    one.asked, one.client, one.status = asked, "ann", 200
    if asked is not None:
        one.attempts.append(AttemptRecord(f"ex_{id_}-1", "up/m", None, "relay", 1.0))
    one = msgspec.structs.replace(one, **fields)
    one.close(2.0)
    return one


def numbers(finished: Finished, **wanted: Any) -> list[int]:
    return [int(one.created) for one in finished.listed(Wanted(**wanted), None, 1000)]


def kept(*exchanges: Exchange, keep: int = 100, room: int = 0) -> Finished:
    finished = Finished(keep, room)
    for one in exchanges:
        finished.note(one)
    return finished


def test_a_usual_exchange_is_kept_as_it_is() -> None:
    one = exchange(1, usage=ir.Usage(3, output=4))
    assert kept(one).find("ex_00000001") is one


def test_nobody_hides_an_exchange_by_its_id() -> None:
    one, other = exchange(1), exchange(2, request_id="ex_00000001")
    assert kept(one, other).find("ex_00000001") is one


def test_the_oldest_goes_first() -> None:
    finished = kept(*map(exchange, range(5)), keep=3)
    assert numbers(finished) == [4, 3, 2]
    assert finished.find("req_00000001") is None


def test_nothing_is_kept_if_nothing_is_to_be() -> None:
    finished = kept(exchange(1), exchange(2, fault=BROKEN), exchange(3, None, fault=BROKEN), keep=0)
    assert list(finished.all()) == []


def test_strangers_do_not_push_out_what_clients_asked() -> None:
    strangers = [exchange(number, None, fault=BROKEN) for number in range(50)]
    finished = kept(exchange(100), *strangers, keep=20)
    assert numbers(finished) == [100, 49, 48]


def test_a_probe_that_succeeds_is_not_kept() -> None:
    assert numbers(kept(exchange(1, None))) == []


def test_of_two_with_one_request_id_the_latest_is_meant() -> None:
    finished = kept(*[exchange(number, request_id="mine") for number in (1, 3, 2)])
    found = finished.find("mine")
    assert found is not None
    assert found.created == 3.0


def test_of_two_with_one_request_id_a_filter_chooses() -> None:
    acme, globex = Caller("ann", tenant="acme"), Caller("ben", tenant="globex")
    finished = kept(
        exchange(1, request_id="mine", caller=acme),
        exchange(2, request_id="mine", caller=globex),
        exchange(3, request_id="mine"),
    )
    found = finished.find("mine", Wanted(tenant="acme"))
    assert found is not None
    assert found.created == 1.0
    assert finished.find("ex_00000002", Wanted(tenant="acme")) is None
    assert finished.find("ex_00000001", Wanted(tenant="acme", since=2.0)) is None
    assert numbers(finished, tenant="acme") == [1]
    assert numbers(finished, tenant="") == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"client": "ben"}, [2]),
        ({"model": "other"}, [3]),
        ({"deployment": "up/m"}, [3, 2, 1]),
        ({"deployment": "up"}, []),
        ({"provider": "two"}, [4]),
        ({"status": "502"}, [5]),
        ({"status": "5xx"}, [5]),
        ({"status": "2xx"}, [4, 3, 2, 1]),
        ({"end": "upstream"}, [5]),
        ({"error": "server_error"}, [5]),
        ({"error": "other"}, []),
        ({"end": "done"}, [4, 3, 2, 1]),
        ({"since": 3.0}, [5, 4, 3]),
        ({"until": 2.0}, [2, 1]),
        ({"has": ("error",)}, [5]),
        ({"has": ("losses",)}, [1]),
        ({"has": ("failover",)}, [4]),
        ({"has": ("failover", "losses")}, []),
        ({"q": "ex_00000004"}, [4]),
        ({"q": "0000003"}, [3]),
        ({"client": "ann", "model": "m", "status": "2xx"}, [4, 1]),
    ],
)
def test_filters(wanted: dict[str, Any], found: list[int]) -> None:
    twice = [
        AttemptRecord("a-1", "one/m", None, "relay", 1.0),
        AttemptRecord("a-2", "two/m", None, "relay", 1),
    ]
    finished = kept(
        exchange(1, losses=(Loss("$.a", "it has none", "hint", "gemini"),)),
        exchange(2, client="ben"),
        exchange(3, "other"),
        exchange(4, attempts=twice),
        exchange(5, status=502, fault=BROKEN, attempts=[]),
    )
    assert numbers(finished, **wanted) == found


def test_pages_follow_each_other() -> None:
    finished = kept(*map(exchange, range(5)))
    first = finished.listed(Wanted(), None, 2)
    second = finished.listed(Wanted(), place(first[-1]), 2)
    assert [int(one.created) for one in (*first, *second)] == [4, 3, 2, 1]


def test_another_number_keeps_the_latest() -> None:
    finished = kept(*map(exchange, range(5)))
    finished.resize(2, 0, 50)
    assert (numbers(finished), finished.body) == ([4, 3], 50)
    finished.note(exchange(9))
    assert numbers(finished) == [9, 4]


# Large ones ----------------------------------------------------------------------------------------------


def large() -> Exchange:
    """As large as clients and providers can make it."""
    text = "x" * 100_000
    fault = ir.Fault("upstream", text, text, text, text, extra={"up": {"a": text}}, blame="upstream")
    attempts = [
        AttemptRecord(f"ex-{number}", text, None, "relay", 1.0, fault=fault) for number in range(1, 60)
    ]
    return exchange(
        1,
        text,
        attempts=attempts,
        answered=text,
        path=text,
        fault=fault,
        losses=tuple(Loss(f"{number}{text}", text, "hint", "gemini") for number in range(400)),
        changes=tuple(Change(text, text, text) for _ in range(400)),
        metadata={"a": text},
        taken=((Loss(text, text, "hint", "gemini"),), ()),
        usage=ir.Usage(1, extra={"up": {"a": text}}, others=(("m", ir.Usage(1)),)),
    )


def test_a_large_one_is_cut_to_some_kilobytes() -> None:
    found = kept(large()).find("ex_00000001")
    assert found is not None
    assert len(repr(found)) < 60_000
    assert found.losses[-1].reason == "380 further losses are not kept"
    assert found.changes[-1].reason == "380 further changes are not kept"
    assert (len(found.attempts), found.attempts[-1].id) == (20, "ex-59")


def test_what_stays_of_losses_is_what_matters() -> None:
    losses = [Loss(f"$.{number}", "it has none", "hint", "gemini") for number in range(40)]
    losses.append(Loss("$.tools", "it has none", "meaning", "gemini"))
    assert lean(exchange(1, losses=tuple(losses))).losses[0].path == "$.tools"


def test_the_original_is_not_changed() -> None:
    one = large()
    kept(one)
    assert (len(one.losses), len(one.attempts)) == (400, 59)


# Bodies --------------------------------------------------------------------------------------------------


def bodied(number: int, size: int, asked: str | None = "m") -> Exchange:
    bodies = KeptBodies(1000)
    bodies.asked(b"a" * (size // 2))
    bodies.told(b"b" * (size - size // 2))
    return exchange(number, asked, bodies=bodies, fault=None if asked else BROKEN)


def test_the_oldest_bodies_go_when_there_is_no_room() -> None:
    finished = kept(bodied(1, 100), bodied(2, 100), bodied(3, 50), room=160)
    with_bodies = [int(one.created) for one in finished.all() if one.bodies is not None]
    assert with_bodies == [2, 3]
    assert numbers(finished) == [3, 2, 1]


def test_bodies_without_a_model_are_not_kept() -> None:
    (one,) = kept(bodied(1, 100, None), room=1000).all()
    assert one.bodies is None


def test_bodies_that_have_left_free_their_room() -> None:
    finished = kept(*[bodied(number, 100) for number in range(10)], keep=2, room=10_000)
    assert len([one for one in finished._bodied if one.bodies is not None]) == 2
    assert finished._size == 200
