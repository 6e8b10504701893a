"""Which limits apply to whom, and what is claimed of which counter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from dragoman.accounts.caller import Caller
from dragoman.accounts.claims import Applied, Limits, charged
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Claim, Limit, Subject
from dragoman.accounts.windows import mark_of

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC).timestamp()
MINUTE = int(NOW) // 60 * 60
DAY = int(NOW) // 86_400 * 86_400
CI = Caller("ci", tenant="acme", team="red", user="mira")


def applied_by(
    limits: Limits,
    caller: Caller | None,
    model: str,
    *,
    asked: str | None = None,
    end_user: str | None = None,
    tags: tuple[str, ...] = (),
    address: Callable[[], str | None] = lambda: None,
) -> Applied | None:
    """The limits of one exchange, as `engine.reservations.limits_of` finds them."""
    found = limits.found(caller, (model,), asked)
    if found is None or not found.invented:
        return None if found is None else Applied(found)
    return limits.invented(found, end_user, tags, address if found.by_address else None)


def names(applied: Applied | None) -> list[str]:
    """The counters of an exchange, without the window's start."""
    return [] if applied is None else [one.counter.rpartition("|")[0] for one in applied.standing_claims(NOW)]


def test_without_limits_nothing_is_looked_up() -> None:
    limits = Limits()
    assert applied_by(limits, CI, "m") is None
    assert applied_by(limits, None, "m") is None
    assert limits.of_attempt("a/x") is None


def test_each_scope_has_its_own_counter() -> None:
    scopes: tuple[Subject, ...] = (
        "key",
        "user",
        "team",
        "tenant",
        "model",
        "global",
        "end_user",
        "tag",
        "address",
    )
    limits = Limits(Limit(f"per-{scope}", "requests", 5, "minute", scope) for scope in scopes)
    applied = applied_by(
        limits, CI, "fast", asked="gpt", end_user="u1", tags=("a", "b", "a"), address=lambda: "203.0.113.7"
    )
    assert names(applied) == [
        "per-key|requests|1minute||ci",
        "per-user|requests|1minute||mira",
        "per-team|requests|1minute||red",
        "per-tenant|requests|1minute||acme",
        "per-model|requests|1minute||fast",
        "per-global|requests|1minute||*",
        "per-end_user|requests|1minute||u1",
        "per-tag|requests|1minute||a",
        "per-tag|requests|1minute||b",
        "per-address|requests|1minute||203.0.113.7",
    ]
    assert names(applied_by(limits, Caller("lone"), "fast")) == [
        "per-key|requests|1minute||lone",
        "per-model|requests|1minute||fast",
        "per-global|requests|1minute||*",
    ]
    assert names(applied_by(limits, None, "fast"))[0].startswith("per-model|")


def test_only_some_names() -> None:
    limits = Limits(
        [
            Limit("some", "requests", 5, "minute", "tenant", only=frozenset({"ac*", "lab"})),
            Limit("marked", "requests", 5, "minute", "tag", only=frozenset({"batch"})),
        ]
    )
    assert names(applied_by(limits, CI, "m", tags=("batch", "x"))) == [
        "some|requests|1minute||acme",
        "marked|requests|1minute||batch",
    ]
    assert applied_by(limits, Caller("k", tenant="other"), "m", tags=("x",)) is None


def test_a_limit_for_models_counts_by_either_name() -> None:
    limits = Limits([Limit("big", "tokens", 5, "day", "key", models=frozenset({"gpt-*", "slow"}))])
    assert applied_by(limits, CI, "fast", asked="gpt-5") is not None
    assert applied_by(limits, CI, "slow", asked="anything") is not None
    assert applied_by(limits, CI, "fast", asked="small") is None
    assert applied_by(limits, CI, "fast") is None


def test_a_deployment_counts_for_all_models_that_have_it() -> None:
    limits = Limits(
        [
            Limit("each", "requests", 5, "day", "model"),
            Limit("one", "requests", 5, "day", "model", only=frozenset({"slow"})),
            Limit("of", "requests", 5, "day", "key", models=frozenset({"slow"})),
        ]
    )
    found = limits.found(CI, ("fast", "slow"), "up/gpt")
    assert found is not None
    assert names(Applied(found)) == [
        "each|requests|1day||fast",
        "each|requests|1day||slow",
        "one|requests|1day||slow",
        "of|requests|1day|" + mark_of({"slow"}) + "|ci",
    ]


def test_operators_may_leave_the_provider_out() -> None:
    """As clients may, if the name alone means the same model."""
    for name in ("gpt-5", "gpt-*", "openai/gpt-5"):
        only = frozenset({name})
        limits = Limits(
            [
                Limit("one", "requests", 5, "day", "model", only=only),
                Limit("of", "requests", 5, "day", "global", models=only),
            ]
        )
        for asked in ("gpt-5", "openai/gpt-5"):
            found = limits.found(CI, ("openai/gpt-5",), asked, "gpt-5")
            assert found is not None
            assert names(Applied(found)) == [
                "one|requests|1day||openai/gpt-5",
                f"of|requests|1day|{mark_of(only)}|*",
            ]
        found = limits.found(CI, ("azure/gpt-5",), "azure/gpt-5")
        assert found is None


def test_what_a_name_alone_means_is_no_memory_of_another_request() -> None:
    limits = Limits([Limit("of", "requests", 5, "day", "global", models=frozenset({"gpt-5"}))])
    assert limits.found(CI, ("openai/gpt-5",), "m") is None
    assert limits.found(CI, ("openai/gpt-5",), "m", "gpt-5") is not None


def test_limits_that_come_with_the_caller() -> None:
    own = Limit("key ci", "money", 7, "month", "key", only=frozenset({"ci"}))
    theirs = Limit("tenant acme", "concurrency", 2, None, "tenant", only=frozenset({"acme"}))
    applied = applied_by(Limits(), Caller("ci", tenant="acme", limits=(own, theirs)), "m")
    assert names(applied) == ["tenant acme|concurrency|||acme", "key ci|money|1month||ci"]


def test_two_callers_of_one_name_are_not_mistaken_for_each_other() -> None:
    """A key that was changed is another caller of the same name: its limits hold from then on."""
    limits = Limits()
    before = Caller("ci", limits=(Limit("key ci", "requests", 1, "minute"),))
    after = Caller("ci", limits=(Limit("key ci", "requests", 2, "minute"),))
    for caller, most in ((before, 1), (after, 2), (before, 1)):
        applied = applied_by(limits, caller, "m")
        assert applied is not None
        assert [one.limit.most for one in applied.of_requests(NOW)] == [most]


def test_amounts() -> None:
    limits = Limits(
        [
            Limit("r", "requests", 9, "minute"),
            Limit("c", "concurrency", 9, None),
            Limit("t", "tokens", 9, "minute"),
            Limit("i", "input_tokens", 9, "minute"),
            Limit("o", "output_tokens", 9, "day"),
            Limit("m", "money", 9, "lifetime"),
        ]
    )
    applied = applied_by(limits, CI, "m")
    assert applied is not None
    assert (applied.measures, applied.money, applied.watched, applied.refusing) == (True, True, False, None)
    every = [*applied.of_requests(NOW), *applied.of_tokens(30, 4, NOW), *applied.of_money(500, NOW)]
    assert {one.counter: one.amount for one in every} == {
        f"r|requests|1minute||ci|{MINUTE}": 1,
        "c|concurrency|||ci|0": 1,
        f"t|tokens|1minute||ci|{MINUTE}": 34,
        f"i|input_tokens|1minute||ci|{MINUTE}": 30,
        f"o|output_tokens|1day||ci|{DAY}": 4,
        "m|money|1lifetime||ci|0": 500,
    }
    assert applied.claims(30, 4, 500, NOW) == every
    assert [one.amount for one in applied.of_money(None, NOW)] == [0]
    assert {one.counter.partition("|")[0]: one.ends for one in every}["t"] == MINUTE + 60
    assert charged(every, 31, 2, 400) == {
        f"r|requests|1minute||ci|{MINUTE}": 1,
        f"t|tokens|1minute||ci|{MINUTE}": 33,
        f"i|input_tokens|1minute||ci|{MINUTE}": 31,
        f"o|output_tokens|1day||ci|{DAY}": 2,
        "m|money|1lifetime||ci|0": 400,
    }
    assert set(charged(every, 0, 0, None, requests=0).values()) == {0}


def test_an_exchange_is_charged_to_the_window_in_which_it_began() -> None:
    limits = Limits([Limit("r", "requests", 9, "minute"), Limit("t", "tokens", 9, "minute")])
    applied, later = applied_by(limits, CI, "m"), applied_by(limits, CI, "m")
    assert applied is not None
    assert later is not None
    (first,) = applied.of_requests(MINUTE + 59)
    (second,) = applied.of_tokens(1, 1, MINUTE + 61)
    assert (first.ends, second.ends) == (MINUTE + 60, MINUTE + 60)
    (other,) = later.of_requests(MINUTE + 61)
    assert (other.counter, other.ends) == (f"r|requests|1minute||ci|{MINUTE + 60}", MINUTE + 120)
    (third,) = applied.of_tokens(1, 1, MINUTE + 61)
    assert third == Claim(third.limit, f"t|tokens|1minute||ci|{MINUTE}", MINUTE + 60, 2)


def test_attempts() -> None:
    limits = Limits(
        [
            Limit("provider a", "requests", 9, "minute", "provider", only=frozenset({"a"})),
            Limit("deployment a/x", "tokens", 9, "minute", "deployment", only=frozenset({"a/x"})),
            Limit("every", "money", 9, "minute", "deployment"),
        ]
    )
    assert applied_by(limits, CI, "m") is None
    assert names(limits.of_attempt("a/x")) == [
        "provider a|requests|1minute||a",
        "deployment a/x|tokens|1minute||a/x",
        "every|money|1minute||a/x",
    ]
    assert names(limits.of_attempt("b/y/z")) == ["every|money|1minute||b/y/z"]
    assert limits.of_attempt("a/x") is not limits.of_attempt("a/x"), "each attempt has its own windows"


def test_what_is_watched() -> None:
    warning = applied_by(Limits([Limit("w", "requests", 9, "minute", warn_at=0.8)]), CI, "m")
    soft = applied_by(Limits([Limit("s", "requests", 9, "minute", hard=False)]), CI, "m")
    assert warning is not None
    assert soft is not None
    assert warning.watched
    assert soft.watched


def test_a_limit_may_refuse_what_has_no_price() -> None:
    limit = Limit("m", "money", 9, "day", unknown_price="refuse")
    applied = applied_by(Limits([limit]), CI, "m")
    assert applied is not None
    assert applied.refusing == limit


def test_invented_names_of_models_and_callers_do_not_fill_the_memory() -> None:
    limits = Limits([Limit("r", "requests", 9, "minute", "model")])
    for index in range(20_000):
        applied_by(limits, CI, f"model {index}")
        applied_by(limits, CI, "x" * 200 + str(index))
    assert len(limits._found) <= 4_096


def test_whether_a_fallback_may_be_measured() -> None:
    some = frozenset({"m"})
    for measured in (
        Limit("l", "tokens", 9, "day", "provider"),
        Limit("l", "money", 9, "day", "model"),
        Limit("l", "tokens", 9, "day", "key", models=some),
    ):
        assert Limits([measured]).measure_others(CI)
    assert not Limits([Limit("l", "requests", 9, "day", "model")]).measure_others(CI)
    assert not Limits([Limit("l", "tokens", 9, "day", "key")]).measure_others(None)
    own = Limit("key ci", "tokens", 9, "day", "key", models=some)
    assert Limits().measure_others(Caller("ci", limits=(own,)))


def test_limits_of_another_model_are_joined_once() -> None:
    limits = Limits(
        [Limit("each", "requests", 5, "day", "model"), Limit("all", "tokens", 5, "day", "global")]
    )
    applied, other = applied_by(limits, CI, "m"), applied_by(limits, CI, "big")
    assert applied is not None
    assert other is not None
    further = other.beyond(applied)
    assert names(further) == ["each|requests|1day||big"]
    assert further is not None
    applied.join(further)
    assert other.beyond(applied) is None


def test_joined_limits_are_watched_and_looked_at_until_they_are_parted() -> None:
    each = Limit("each", "tokens", 5, "day", "model", warn_at=0.5, only=frozenset({"big"}))
    limits = Limits([each, Limit("all", "requests", 5, "day", "global")])
    applied, other = applied_by(limits, CI, "m"), applied_by(limits, CI, "big")
    assert applied is not None
    assert other is not None
    further = other.beyond(applied)
    assert further is not None
    assert (applied.measures, applied.watched) == (False, False)
    assert applied.bound(MemoryLedger(), 0.0) is not None
    applied.join(further)
    assert (applied.measures, applied.watched) == (True, True)
    assert len(applied.standing_claims(0.0)) == 2
    assert set(further.counters) == {"each|tokens|1day||big|0"}
    assert applied.bound(MemoryLedger(), 0.0) is None, "it would not reserve what has joined"
    applied.part(further)
    assert (applied.measures, applied.watched, applied.empty) == (False, False, False)
    assert len(applied.standing_claims(0.0)) == 1
