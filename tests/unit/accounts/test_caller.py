"""What a caller may call, and what is answered if it may not."""

from __future__ import annotations

import pytest

from dragoman.accounts.caller import ANYONE, EVERYBODY, NO_PROVIDER, Caller, Permits, Scope, is_reserved
from dragoman.accounts.grants import Grants


@pytest.mark.parametrize(
    ("caller", "scope", "face", "code"),
    [
        (ANYONE, "admin", None, None),
        (EVERYBODY, "inference", "anthropic", None),
        (EVERYBODY, "admin", None, "insufficient_scope"),
        (EVERYBODY, "read", None, "insufficient_scope"),
        (Caller("a", may=Permits(faces=frozenset({"gemini"}))), "inference", "gemini", None),
        (
            Caller("a", may=Permits(faces=frozenset({"gemini"}))),
            "inference",
            "ollama",
            "protocol_not_granted",
        ),
        (Caller("a", may=Permits(faces=frozenset({"gemini"}))), "inference", None, None),
    ],
)
def test_scopes_and_protocols(caller: Caller, scope: Scope, face: str | None, code: str | None) -> None:
    fault = caller.barred(scope, face)
    assert (None if fault is None else (fault.kind, fault.code)) == (code and ("permission", code))


def test_a_protocol_of_an_administrator_does_not_matter_below_admin() -> None:
    ops = Caller("ops", scopes=frozenset({"admin"}), may=Permits(faces=frozenset({"gemini"})))
    assert ops.barred("admin", "openai_chat") is None


def test_a_tenants_key_is_told_why_it_may_not_administer_everything() -> None:
    boss = Caller("boss", tenant="acme", scopes_in_tenant=frozenset({"admin"}))
    refused, unheld = boss.barred("admin"), boss.barred("read")
    assert refused is not None
    assert unheld is not None
    assert "only what belongs to its tenant" in refused.message
    assert "needs a key with the scope 'read'" in unheld.message


def test_models() -> None:
    assert Caller("a").may_use("x")
    assert not Caller("a", Grants(["y"])).may_use("x")
    assert NO_PROVIDER.http_status == 403


def test_names_that_no_key_may_have() -> None:
    reserved = ("anyone", "keyless ollama", "uid 1000")
    assert [is_reserved(one) for one in (*reserved, "Anyone", "ann", "keyless")] == [True] * 3 + [False] * 3
