"""The events that the log and alerts tell an operator, most of them about providers."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["key_refused", "keys_exhausted", "outage", "recovery", "usage_waiting"]
""""key_refused": a key was refused, or its quota is used up. "keys_exhausted": no usable key is left
for a model. "outage": a deployment has failed several times in a row, or a provider did not answer a check.
"recovery": such a deployment or provider answers again. "usage_waiting": usage could not be stored for a
minute (this is not about a provider).
"""


class Event(msgspec.Struct, frozen=True):
    """Something that an operator has to know. message: a text for a person; about a deployment or provider,
    it begins with the name. provider: "" = the event is not about a provider. deployment: its name
    (`provider/model`), None = the event is about the provider as a whole, or about no provider. key: the last
    characters of the key, None = the event is not about a key, or no text of the key is known.
    """

    kind: Kind
    provider: str
    message: str
    deployment: str | None = None
    key: str | None = None
