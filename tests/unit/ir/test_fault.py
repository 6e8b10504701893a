"""Every kind of fault has an HTTP status, and no other name has one."""

from typing import Any, cast, get_args

import msgspec
import pytest

from dragoman import ir
from dragoman.engine.places import located
from dragoman.ir.fault import LONGEST, STATUS, Fault, Kind
from dragoman.routing.outcome import for_client
from dragoman.upstreams.account import Account


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_the_status_of_an_error(kind: Kind) -> None:
    assert 400 <= ir.Fault(kind, "").http_status <= 599


def test_no_status_is_left_over() -> None:
    assert STATUS.keys() == set(get_args(Kind))


def test_a_fault_is_known_by_the_id_of_its_request() -> None:
    fault = ir.Fault("upstream", "Broken.")
    assert fault.known_as("req_1").error_id == "req_1"
    assert fault.known_as(None) is fault
    assert fault.known_as("") is fault


def test_a_fault_has_no_credentials_however_it_is_made() -> None:
    fault = ir.Fault("upstream", "The key sk-proj-abcd1234 is bad.", param="headers.sk-proj-abcd1234")
    assert (fault.message, fault.param) == ("The key [redacted] is bad.", "headers.[redacted]")
    again = msgspec.structs.replace(ir.Fault("upstream", "Broken."), message="sk-proj-abcd1234")
    assert again.message == "[redacted]"
    told = msgspec.json.decode(b'{"kind": "upstream", "message": "sk-proj-abcd1234"}', type=ir.Fault)
    assert told.message == "[redacted]"


def test_a_message_that_quotes_megabytes_is_cut_and_shows_no_part_of_a_key() -> None:
    key = "sk-" + "a1" * 40
    fault = Fault("invalid_request", "x" * (LONGEST - 10) + " " + key + " y" * 10**6, param="p" * 10**6)
    assert fault.message == "x" * (LONGEST - 10) + " [redacted…"
    assert fault.param == "p" * LONGEST + "…"
    assert msgspec.structs.replace(fault, code="c").message == fault.message


@pytest.mark.parametrize("between", [" ", ".", "/"])
def test_no_key_is_cut_where_a_long_text_is(between: str) -> None:
    """The keys before it become so short that the place where the text was cut is shown."""
    key = "AIzaSy" + "A1" * 17
    long = (key + between) * 380
    text = long + "x" * (2 * LONGEST - 20 - len(long) - 1) + " " + "AIzaSy" + "B" * 33
    message = Fault("upstream", text).message
    assert message.endswith("x …")
    assert "AIza" not in message
    assert "AIza" not in Fault("upstream", (key + between) * 1000).message
    assert Fault("upstream", message).message == message


def test_texts_of_a_fault_may_be_made_of_other_objects() -> None:
    """A hook may pass the exception that it has caught."""
    fault = Fault("permission", ValueError("No sk-proj-abcd1234"), param=3)  # type: ignore[arg-type]
    assert (fault.message, fault.param) == ("No [redacted]", "3")
    assert fault.changed(message=KeyError("a")).message == "'a'"


def test_a_changed_fault_has_no_credentials_either() -> None:
    fault = Fault("upstream", "Broken.", "c", "a", status=500)
    told = fault.changed(kind="permission", message="No sk-proj-abcd1234", param=None)
    assert told == Fault("permission", "No [redacted]", "c", status=500)
    assert fault == Fault("upstream", "Broken.", "c", "a", status=500)


def test_a_long_message_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may quote megabytes of a request."""
    fault = ir.Fault("invalid_request", "Invalid value.", "invalid_value", "a")
    monkeypatch.setattr("dragoman.ir.fault.redact", lambda text: pytest.fail(f"looked at {text} again"))
    known = fault.known_as("req_1")
    assert msgspec.structs.asdict(known) == {**msgspec.structs.asdict(fault), "error_id": "req_1"}
    assert fault.error_id is None
    known = located(
        cast(Any, None), known.changed(kind="upstream", message="Invalid value."), lambda path: path
    )
    assert for_client(known.changed(kind="permission"), whose="client").blame == "client"
    assert known.kind == "upstream"
    assert Account({}).discreet(known) == known
