"""How one candidate has refused a request, and how the same candidate is called again."""

from __future__ import annotations

import msgspec

from dragoman import ir
from dragoman.engine.attempt import Attempt
from dragoman.routing.outcome import is_absent
from dragoman.upstreams.account import Account
from dragoman.upstreams.backend import Backend


class Refusals(msgspec.Struct, eq=False):
    """How one candidate has refused the attempts of one exchange, so that each way to call it again is tried
    once.

    tried: the backends (one for each protocol of the provider) with which an attempt has failed. first: the
    first fault that suggested another protocol; None = there was none. plain: True = `ends_thinking` has been
    True. rotated: True = `renewed` has been True.
    """

    tried: list[Backend] = []
    first: ir.Fault | None = None
    plain: bool = False
    rotated: bool = False

    async def renewed(self, account: Account) -> bool:
        """Whether there is a new credential in place of the one that the provider has refused; waits for a
        refresh if there is none yet. True at most once. account: the account with the refused credential.
        """
        if self.rotated or account.renewal is None:
            return False
        self.rotated = await account.renewal.credential.refused(account.renewal.lease)
        return self.rotated

    def note(self, backend: Backend, fault: ir.Fault) -> ir.Fault:
        """Record that an attempt with this backend has failed. Return the fault to tell the client: `fault`,
        or the fault `first` if there is one and `fault` only says that something, such as the model or the
        endpoint, does not exist or is not implemented.
        """
        self.tried.append(backend)
        return self.first if self.first is not None and is_absent(fault) else fault

    def ends_thinking(self, attempt: Attempt, fault: ir.Fault) -> bool:
        """Whether the model is called again without thinking, because the fault says that it cannot return
        encrypted thinking. True at most once; the backend remembers the model for later requests.
        """
        if self.plain or not attempt.backend.learns_thoughtless(attempt.deployment.model, fault):
            return False
        self.plain = True
        return True

    def ends_protocol(self, attempt: Attempt, fault: ir.Fault) -> bool:
        """Whether the model may be called in another protocol, because the fault says that it is not
        available in this one, or cannot use tools in it while it thinks. The backend remembers that for later
        requests, and the first such fault is kept in `first`. May be True several times.
        """
        if not attempt.backend.learns(attempt.deployment.model, fault):
            return False
        self.first = self.first or fault
        return True

    def untried(self, backend: Backend) -> Backend | None:
        """Return the backend if no attempt at this request has failed with it yet; else None."""
        return None if backend in self.tried else backend
