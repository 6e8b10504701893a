"""Kinds of identities: what each reads, and what it needs."""

from __future__ import annotations

from typing import get_args

import msgspec

from dragoman.providers.identity import EXTRAS, MEMBERS, Identity, Kind
from dragoman.seams.secret import Secret


def test_every_kind_and_every_field_is_told_of() -> None:
    assert set(MEMBERS) == set(EXTRAS) == set(get_args(Kind))
    fields = {field.name for field in msgspec.structs.fields(Identity)}
    assert fields == set().union(*MEMBERS.values())


def test_the_secret_is_not_shown() -> None:
    identity = Identity(kind="entra", client_secret=Secret("shh-0123456789"))
    assert "shh-012345" not in repr(identity)
