"""Builds the table of client keys from the settings."""

from __future__ import annotations

from dragoman.accounts.caller import ANYONE, EVERYBODY, Caller
from dragoman.accounts.grants import granted
from dragoman.accounts.keys import ClientKeys, Key, is_loopback, unnamed
from dragoman.config.settings import Config
from dragoman.dialects.table import key_headers
from dragoman.seams.clock import Seams


def client_keys_of(config: Config, seams: Seams) -> ClientKeys:
    """The table of client keys, which also knows who needs no key."""
    keys: list[Key] = []
    for key in config.auth.keys:
        secret = key.key.reveal()
        caller = Caller(key.name or unnamed(secret), granted(key.models), frozenset(key.scopes))
        keys.append(Key(secret, caller, key.expires))
    own = is_loopback(config.server.host) and not config.auth.open and not config.auth.keys
    anyone = ANYONE if own else EVERYBODY
    models = granted(config.server.keyless_models)
    return ClientKeys(
        keys,
        required=needs_key(config),
        headers=key_headers(),
        any_host=config.auth.open,
        anyone=anyone,
        keyless={face: Caller(f"keyless {face}", models) for face in config.server.keyless_faces},
        now=seams.now,
    )


def needs_key(config: Config) -> bool:
    """Whether clients must send a key: never if `auth.open`, else as `auth.required` says; if that is unset,
    True if there are keys or other machines can connect.
    """
    auth = config.auth
    required = auth.required
    if required is None:
        required = bool(auth.keys) or not is_loopback(config.server.host)
    return required and not auth.open
