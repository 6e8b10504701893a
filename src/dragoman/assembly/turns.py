"""Builds what stores and reads responses, conversations, stored chat completions and sessions, and what runs
background answers.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from dragoman.assembly.observers import Observers
from dragoman.capacity.heavy import HeavySteps
from dragoman.config.settings import Config
from dragoman.exchange import Exchange
from dragoman.seams.clock import Seams
from dragoman.state.store import Store
from dragoman.turns.background import Background, Run
from dragoman.turns.keeping import Keeping
from dragoman.turns.sessions import Remembering


class Inside(Protocol):
    """The attributes of a gateway that turns need; `assembly.core.Core` documents them."""

    config: Config
    seams: Seams
    heavy: HeavySteps
    exchanges: set[Exchange]
    observers: Observers

    def observe(self, exchange: Exchange) -> None: ...


class Turns(NamedTuple):
    """What handles the turns of one gateway. keeping: stores and reads responses, conversations and stored
    chat completions. remembering: stores and reads sessions. background: runs background answers; the caller
    has to close it.
    """

    keeping: Keeping
    remembering: Remembering
    background: Background


def turns_of(inside: Inside, store: Store, run: Run) -> Turns:
    """Return what handles the turns of a gateway. store: where responses, conversations, stored chat
    completions and sessions are. run: serves the request of a background answer.
    """
    responses, reached = inside.config.responses, inside.observers.bounds.reached
    keeping = Keeping(
        store,
        responses,
        inside.seams,
        largest=inside.config.server.max_body,
        reached=reached,
        heavy=inside.heavy,
    )
    background = Background(
        keeping,
        run,
        inside.observe,
        begun=inside.exchanges.add,
        most=responses.max_background,
        most_in_all=responses.max_background_total,
    )
    return Turns(keeping, Remembering(store, inside.config.sessions, inside.seams, reached), background)
