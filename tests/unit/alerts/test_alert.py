"""Which alerts go out, as transcripts: the same one not again for a while, a recovery always."""

from __future__ import annotations

import msgspec

from dragoman.alerts.alert import Alert, Quiet, read


def alert(type_: str, deployment: str = "up/m", key: str | None = None) -> Alert:
    return Alert(type_, 1000.0, deployment.partition("/")[0], deployment, f"{deployment}: {type_}", key)


DOWN, UP = alert("outage"), alert("recovery")


def test_the_same_alert_about_the_same_subject_goes_out_once_in_a_while() -> None:
    quiet = Quiet(60.0)
    exhausted, other = alert("keys_exhausted"), alert("keys_exhausted", "up/other")
    assert quiet.passes(exhausted, 0.0)
    assert not quiet.passes(exhausted, 59.0)
    assert quiet.passes(other, 59.0)
    assert quiet.passes(exhausted, 60.0)


def test_a_key_is_one_subject_for_all_its_models() -> None:
    quiet = Quiet(60.0)
    assert quiet.passes(alert("key_refused", "up/a", "1111"), 0.0)
    assert not quiet.passes(alert("key_refused", "up/b", "1111"), 1.0)
    assert quiet.passes(alert("key_refused", "up/b", "2222"), 1.0)
    assert quiet.passes(alert("key_refused", "down/b", "1111"), 1.0)


def test_a_recovery_follows_its_outage_at_once_and_only_that() -> None:
    quiet = Quiet(60.0)
    assert not quiet.passes(UP, 0.0)
    assert quiet.passes(DOWN, 1.0)
    assert not quiet.passes(DOWN, 50.0), "it is known to be down"
    assert quiet.passes(UP, 51.0)
    assert not quiet.passes(UP, 52.0)


def test_an_outage_too_soon_after_another_goes_out_later_unless_it_ends_before() -> None:
    quiet = Quiet(60.0)
    assert [quiet.passes(DOWN, 0.0), quiet.passes(UP, 5.0), quiet.passes(DOWN, 10.0)] == [True, True, False]
    assert (quiet.due(), quiet.released(59.0)) == (60.0, [])
    assert not quiet.passes(UP, 59.5)
    assert (quiet.due(), quiet.released(60.0)) == (None, [])
    assert quiet.passes(DOWN, 61.0)
    assert quiet.passes(UP, 62.0)
    assert not quiet.passes(DOWN, 63.0)
    assert quiet.released(121.0) == [DOWN]
    assert quiet.passes(UP, 122.0)


def test_an_outage_that_passes_takes_the_place_of_the_delayed_one() -> None:
    quiet = Quiet(60.0)
    assert [quiet.passes(DOWN, 0.0), quiet.passes(UP, 5.0), quiet.passes(DOWN, 10.0)] == [True, True, False]
    assert quiet.passes(DOWN, 70.0), "nobody has asked for the delayed one, because an alert is being sent"
    assert (quiet.due(), quiet.released(200.0)) == (None, [])


def test_the_oldest_subject_is_forgotten_when_there_are_too_many() -> None:
    quiet = Quiet(60.0)
    for number in range(2000):
        assert quiet.passes(alert("outage", f"up/{number}"), 0.0)
    assert quiet.passes(alert("outage", "up/0"), 1.0), "forgotten"
    assert not quiet.passes(alert("outage", "up/1999"), 1.0)


def test_an_alert_passes_between_processes_as_it_is() -> None:
    told = alert("key_refused", key="1111")
    assert read(msgspec.to_builtins(told)) == told


def test_an_outage_that_lasts_is_told_again_after_a_while() -> None:
    """A recovery may come without a word, as when nobody has asked for long."""
    quiet = Quiet(600.0)
    assert quiet.passes(DOWN, 0.0)
    assert not quiet.passes(DOWN, 599.0)
    assert quiet.due() is None
    assert quiet.passes(DOWN, 600.0)
    assert quiet.passes(UP, 700.0)


def test_each_limit_of_each_key_is_one_subject() -> None:
    def limit(name: str, whose: str | None, type_: str = "limit_reached") -> Alert:
        return Alert(type_, 1000.0, None, None, "is used up", limit=name, whose=whose)

    quiet = Quiet(60.0)
    assert quiet.passes(limit("each: 5 requests per minute", "key a"), 0.0)
    assert not quiet.passes(limit("each: 5 requests per minute", "key a"), 59.0)
    assert quiet.passes(limit("each: 5 requests per minute", "key b"), 1.0)
    assert quiet.passes(limit("each: 5 USD per day", "key a"), 1.0)
    assert quiet.passes(limit("each: 5 requests per minute", "key a", "limit_warning"), 1.0)
    assert quiet.passes(limit("all: 5 USD per day", None), 1.0)
    assert read(msgspec.to_builtins(limit("all", None))) == limit("all", None)
