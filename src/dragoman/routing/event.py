"""What an operator has to know of providers: told by the log and by alerts."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["key_refused", "keys_exhausted", "outage", "recovery", "usage_waiting"]
"""A key was refused, or its quota is used up; no key can be asked for a model; a deployment has failed
several times in a row, or a provider did not answer a check; it answers again;
usage could not be stored for a minute, which is about no provider.
"""


class Event(msgspec.Struct, frozen=True):
    """Something that an operator has to know. message: one sentence for a person, which begins with the name
    of the deployment or provider. provider: "" = it is about none. deployment: its name, None = it is about
    the provider as a whole. key: the last characters of the key, None = it is about none.
    """

    kind: Kind
    provider: str
    message: str
    deployment: str | None = None
    key: str | None = None
