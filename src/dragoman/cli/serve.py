"""`dragoman serve`: loads the configuration, listens, prints the banner, and answers requests until it is
stopped.
"""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
import msgspec

from dragoman.cli import banner, discovery, doors
from dragoman.cli.client_key import ClientKey, kept_or_made
from dragoman.cli.command import Command
from dragoman.cli.options import config_option, loaded, refused, warn
from dragoman.cli.reloading import tell
from dragoman.cli.terminal import CONFIGURATION, MISUSE, UNREACHABLE, Failure, Terminal
from dragoman.errors import ConfigError, Problem
from dragoman.observe.lines import begun
from dragoman.seams.clock import SYSTEM
from dragoman.seams.extras import command as added_by

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping, Sequence

    from dragoman.accounts.shared.address import Embedded
    from dragoman.capacity.places import PlacesFile
    from dragoman.config.load import Loaded
    from dragoman.gateway import Gateway
    from dragoman.server.doors import Opened
    from dragoman.server.embedded import EmbeddedValkey
    from dragoman.server.supervisor import Keeper, Worker
    from dragoman.state.added import KeptEntries
    from dragoman.stores.address import Location

_CANNOT_LISTEN = {
    errno.EADDRINUSE: "another program uses this port: dragoman serve --port 0 chooses a free one",
    errno.EACCES: "ports below 1024 need special privileges: dragoman serve --port 8080",
    errno.EADDRNOTAVAIL: (
        "no network interface of this machine has this address: --host 0.0.0.0 listens on all interfaces"
    ),
}
_PLATFORM = sys.platform
_SHARED = ("dragoman.gateway", "dragoman.observe.log")
"""Modules that are imported before the workers are forked, so that workers share their memory and start
fast.
"""
_LOOK_ABOVE = "the log lines above show the reason; -v adds tracebacks"


@click.command(
    "serve",
    cls=Command,
    examples=(
        "dragoman serve",
        "dragoman serve --port 3000 --config team.yaml",
        "dragoman serve --workers 4",
    ),
    epilog="Ctrl-C finishes the running requests; Ctrl-C again stops at once.",
)
@config_option
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 chooses a free one.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    help="The number of worker processes; more than one needs a database.",
)
@click.option("--preset", multiple=True, metavar="NAME", help="A preset: ready-made settings to start from.")
@click.option("--no-auth", is_flag=True, help="Answer requests without a key, also on a public address.")
@click.option("--require-auth", is_flag=True, help="Require a client key on loopback too.")
@click.pass_obj
def command(
    terminal: Terminal,
    file: Path | None,
    host: str | None,
    port: int | None,
    preset: tuple[str, ...],
    *,
    workers: int | None,
    no_auth: bool,
    require_auth: bool,
) -> None:
    """Answer requests. Without a configuration, the providers come from the environment.

    If clients need a key (on a public host, or with --require-auth) and none is configured, a key is made,
    kept and shown once.
    """
    began = SYSTEM.monotonic()
    # What a start makes stays. The collector, which would look through it some 160 times, finds next to
    # nothing in it; the server sets other thresholds when it answers.
    gc.set_threshold(100_000)
    # SIGTERM acts as Ctrl-C, so that the same code ends the command.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if _PLATFORM != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the server handles it
    if no_auth and require_auth:
        raise Failure(MISUSE, "--no-auth and --require-auth cannot be combined", hint="remove one of them")
    overrides: dict[str, Any] = {
        "server.host": host,
        "server.port": port,
        "server.workers": workers,
        "preset": list(preset) or None,
        "auth.open": no_auth or None,
        "auth.required": require_auth or None,
    }
    stated = {path: value for path, value in overrides.items() if value is not None}
    alone = loaded(terminal, file, stated)
    servers = _neighbours(alone)
    found = alone
    if servers and (more := discovery.settings(servers, alone)):
        found = loaded(terminal, file, {**stated, **more})
    complete = _with_kept(_with_store(found))
    warn(terminal, [one for one in complete.warnings if one not in found.warnings])
    _refuse_unknown(complete, file)
    whole, key = _with_key(complete)
    again = Again(alone, file, stated, servers, key)
    again.database = None if whole.added is None else whole.added.file
    _run(terminal, msgspec.structs.replace(whole, again=again, adding=again.adding), key, began)


class _Offer(msgspec.Struct, frozen=True):
    """Facts that only the running gateway knows. A worker sends them to the parent process for the banner.
    providers: a short description of each provider. models: the number of model names. model: one model for
    the examples, None = there is none. clients: {name of a client: the number of its enabled keys in the
    configuration}. keyed: whether clients must send a key, also because the database has keys.
    """

    providers: list[str]
    models: int
    model: str | None
    clients: dict[str, int]
    keyed: bool


def _run(terminal: Terminal, found: Loaded, key: ClientKey | None, began: float) -> None:
    from dragoman.cli.log import narrate
    from dragoman.server.connections import connection_limit, raise_descriptor_limit

    server = found.config.server
    search = None
    if found.config.discover is None and not found.providers:
        search = discovery.Search(but={server.port})
    if server.workers > 1 and _PLATFORM == "win32":
        raise Failure(CONFIGURATION, "several workers cannot share a port on Windows", hint="use --workers 1")
    descriptors = raise_descriptor_limit()
    listener = _listen(server.host, server.port)
    port: int = listener.getsockname()[1]
    narrate(terminal)

    def announce(offer: _Offer) -> None:
        ready = _ready(found, offer, port, key, SYSTEM.monotonic() - began)
        ready = ready._replace(admin=_admin(opened))
        ready = ready._replace(connections=connection_limit(server), descriptors=descriptors)
        if search is not None:
            ready = ready._replace(nearby=[server.words for server in search.found])
        _announce(terminal, ready)

    try:
        with doors.opened(found, port) as opened:
            if server.workers > 1:
                if search is not None:
                    search.wait()  # a process must not be forked while another thread runs
                from dragoman.server.embedded import prepared

                with prepared() as store:
                    _answer_by_many(terminal, found, (listener, opened), announce, store)
            else:
                _answer(terminal, found, (listener, opened), announce)
    except ConfigError as error:  # what only the start finds
        raise refused(error, found.file) from None
    except SystemExit as error:  # the application cannot start; the reason is logged
        raise Failure(CONFIGURATION, "the gateway could not start", hint=_LOOK_ABOVE) from error
    if terminal.for_people:
        terminal.say("stopped")
    else:
        _say(terminal, "stopped", seconds=round(SYSTEM.monotonic() - began, 3))


def _say(terminal: Terminal, event: str, **fields: object) -> None:
    """Write a JSON line to the log, unless `--quiet` is set."""
    if not terminal.quiet:
        terminal.insist(json.dumps({**begun(event), **fields}) + "\n")


def _say_draining(terminal: Terminal, running: int, delay: float) -> None:
    """Tell people what a stop waits for; nothing, if it waits for nothing. running, delay: as `server.serve`
    gives them to `draining`.
    """
    doing = [f"finishing {running} request{'s' * (running != 1)}"] if running else []
    if delay:
        doing.append(f"the port closes in {delay:g} s")
    if doing:
        terminal.say(f"{', '.join(doing)}; Ctrl-C {'again ' * (not delay)}stops now")


def _admin(opened: Sequence[Opened]) -> str | None:
    """Return the URL of the separate port for operators; None = there is none."""
    for one in opened:
        if one.door == "admin":
            host, port, *_ = one.listener.getsockname()
            return banner.address(host, port)
    return None


_Listening: TypeAlias = "tuple[socket.socket, Sequence[Opened]]"
"""The socket of the clients' port, and the sockets for operators: a separate port, a Unix socket."""


def _answer(
    terminal: Terminal,
    found: Loaded,
    listening: _Listening,
    announce: Callable[[_Offer], None],
    worker: Worker | None = None,
    *,
    places: PlacesFile | None = None,
    embedded: Embedded | None = None,
) -> None:
    """Serve in this process until it is stopped. found: the configuration, unless `worker` has a newer one.
    announce: called once, as soon as requests are answered; never if a stop comes before that. worker: this
    process's role among several workers, None = it is the only process. places: a file in which all workers
    count running requests, None = this process counts alone. embedded: the Valkey beside the workers, in
    which all of them count for limits; None = there is none. Raises KeyboardInterrupt if the process is
    stopped before requests are answered, and SystemExit if the application cannot start.
    """
    from dragoman.assembly.providers import descriptions
    from dragoman.gateway import Gateway
    from dragoman.observe.log import AccessLog
    from dragoman.server.serve import serve

    assert terminal.lines is not None  # `narrate` has set it
    observers = []
    if found.config.server.access_log and not terminal.quiet:
        log = AccessLog(terminal.lines)
        observers.append(log.__call__)  # the method itself is called faster than the object
    if worker is not None and worker.loaded is not None:
        found = worker.loaded
    gateway = Gateway(found, observers=observers)
    gateway.reloads.told = lambda outcome: tell(terminal, outcome)
    if worker is not None:
        _join(gateway, worker)
    if places is not None:
        gateway.share_places(places)
    gateway.embedded = embedded
    answered = False

    def ready() -> None:
        nonlocal answered
        answered = True
        providers = descriptions(gateway.running.upstreams, gateway.loaded.providers)
        models, keys = sum(1 for _ in gateway.entries()), gateway.client_keys
        announce(_Offer(providers, models, gateway.example_model(), keys.counts, keys.required))

    def draining(running: int, delay: float) -> None:
        if terminal.for_people:
            _say_draining(terminal, running, delay)
        elif worker is None:  # else the parent says it, once for all workers
            _say(terminal, "stopping", running=running, port_closes_in=delay)

    terminal.lines.start(shared=worker is not None)
    try:
        orders = worker.orders if worker is not None else None
        listener, opened = listening
        serve(gateway, listener, ready, doors=opened, orders=orders, draining=draining)
    except KeyboardInterrupt:
        if not answered:
            raise
    finally:
        terminal.lines.close()


def _join(gateway: Gateway, worker: Worker) -> None:
    """Connect this worker's gateway with the other workers."""
    gateway.worker, gateway.workers, gateway.board = worker.number, worker.count, worker.board
    if worker.line is not None:
        from dragoman.server.peers import WorkerPeers

        gateway.peers = WorkerPeers(worker.number, worker.line, worker.board)


def _answer_by_many(
    terminal: Terminal,
    found: Loaded,
    listening: _Listening,
    announce: Callable[[_Offer], None],
    limits_store: EmbeddedValkey | None,
) -> None:
    """Serve in several worker processes, and a keeper for the work that is done once, until they are stopped.
    announce: called once, when all are ready. limits_store: a Valkey that runs beside them, unless the
    configuration names another; None = it is not installed. Raises Failure if one of the processes fails
    before it is ready, and KeyboardInterrupt if a signal stops them before that.
    """
    from dragoman.accounts.shared.address import Embedded
    from dragoman.assembly.accounts import prepare
    from dragoman.assembly.draining import DRAIN_DELAY
    from dragoman.capacity.places import PlacesFile
    from dragoman.gateway import Gateway
    from dragoman.server.keeper import keep
    from dragoman.server.peers import KeeperPeers
    from dragoman.server.supervisor import NotStarted, supervise

    for module in _SHARED:
        import_module(module)

    prepare(found.config)
    places = PlacesFile()
    beside = limits_store if found.config.stores.valkey is None else None
    embedded = None if beside is None else Embedded(beside.url, beside.password)
    lines = terminal.lines
    assert lines is not None  # `narrate` has set it

    def work(worker: Worker) -> None:
        ready = lambda offer: worker.ready(msgspec.json.encode(offer))  # noqa: E731
        _answer(terminal, found, listening, ready, worker, places=places, embedded=embedded)

    def be_keeper(keeper: Keeper) -> None:
        for door in listening[1]:
            door.listener.close()  # the keeper answers no requests
        gateway = Gateway(found if keeper.loaded is None else keeper.loaded)
        gateway.peers = KeeperPeers(keeper.lines, keeper.board)
        gateway.embedded = embedded
        lines.start(shared=True)
        try:
            keep(gateway, keeper.orders, keeper.ready)
        finally:
            lines.close()

    server = found.config.server
    try:
        supervise(
            listening[0],
            server.workers,
            work,
            lambda message: announce(msgspec.json.decode(message, type=_Offer)),
            drain=server.drain + (DRAIN_DELAY if server.drain_delay is None else server.drain_delay),
            loaded=found,
            told=lambda outcome: tell(terminal, outcome),
            keep=be_keeper,
            beside=None if beside is None else beside.run,
            stopping=lambda: None if terminal.for_people else _say(terminal, "stopping"),
        )
    except NotStarted as error:
        raise Failure(CONFIGURATION, "the gateway could not start", hint=_LOOK_ABOVE) from error


def _listen(host: str, port: int) -> socket.socket:
    from dragoman.server.serve import CannotListen, listen

    try:
        return listen(host, port)
    except CannotListen as error:
        number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
        raise Failure(UNREACHABLE, str(error), hint=_CANNOT_LISTEN.get(number or 0)) from None


def _neighbours(found: Loaded) -> tuple[discovery.Server, ...]:
    """Return the model servers that are found on this machine (`discovery.find`) if `discover` is true; () if
    it is false or not set.
    """
    if not found.config.discover:
        return ()
    return asyncio.run(discovery.find(but={found.config.server.port}))


class Again:
    """Loads the configuration of the running command again, from the same sources.

    first: the configuration of the start, without discovered servers; its `again` loads it again. file: the
    file that the command line names, None = none. stated: the settings of the command line by their paths.
    servers: the model servers that were found at the start. key: the client key that was created, or read
    from its file, at the start; None = none was needed then, or the configuration had its own.
    """

    def __init__(
        self,
        first: Loaded,
        file: Path | None,
        stated: Mapping[str, Any],
        servers: Sequence[discovery.Server],
        key: ClientKey | None,
    ) -> None:
        self._load, self._server = first.again, first.config.server
        self._file = file
        self._stated = stated
        self._servers = servers
        self._key = key
        self.database: Location | None = None
        """The database with the entries that operators have added, which is the same until a restart; None =
        there is none.
        """

    def __call__(self) -> Loaded:
        """Load the configuration again, with the entries that operators have added. Raises ConfigError, also
        if the database of these entries cannot be read.
        """
        from dragoman.assembly.added import with_added

        return self._complete(with_added(self._found(), self.database))

    def adding(self, database: Location, kept: KeptEntries) -> Loaded:
        """Load the configuration again, with these entries of operators. database: where the entries are
        stored. Raises ConfigError.
        """
        found = self._found()
        assert found.adding is not None
        return self._complete(found.adding(database, kept))

    def _found(self) -> Loaded:
        """Load the configuration again, without the entries that operators have added."""
        from dragoman.config.load import load

        assert self._load is not None
        found = self._load()
        if self._servers and (more := discovery.settings(self._servers, found)):
            found = load(self._file, os.environ, {**self._stated, **more})
        return found

    def _complete(self, found: Loaded) -> Loaded:
        """Return the configuration, completed with the store (`_with_store`), with the client key of the
        start if clients need a key and none is configured, and with `again` and `adding`. Raises ConfigError,
        also if clients need a key now and there is none.
        """
        try:
            found = _with_store(found)
        except Failure as failure:
            raise ConfigError(Problem("stores.sql", failure.message, hint=failure.hint)) from None
        return msgspec.structs.replace(self._keyed(found), again=self, adding=self.adding)

    def _keyed(self, found: Loaded) -> Loaded:
        from dragoman.assembly.keys import needs_key

        config = msgspec.structs.replace(found.config, server=self._server)  # until a restart
        if config.auth.keys or not needs_key(config):
            return found
        if self._key is None:
            hint = "keep one, or restart: a key is then created"
            raise ConfigError(Problem("auth.keys", "clients of this address need a key", hint=hint))
        return _keyed(found, self._key)


def _refuse_unknown(found: Loaded, file: Path | None) -> None:
    """Raise Failure if a name or a pattern that may be wrong (`Loaded.doubts`) stands for nothing here. file:
    the file that the command line names, None = none.
    """
    if found.doubts:
        from dragoman.assembly.names import naming, refuse_unknown

        try:
            refuse_unknown(found, naming(found))
        except ConfigError as error:
            raise refused(error, file) from None


def _with_store(found: Loaded) -> Loaded:
    """Return the configuration, with `stores.sql: sqlite` if no store is stated and SQLite can be used
    or its file exists. If it cannot be used because the folder is not writable, the result has a
    warning.

    Raises Failure if the stated setting is wrong; if the extra for the stated database, or for a
    SQLite file that exists, is not installed; or if no store is stated, SQLite cannot be used and
    several workers are configured. With one worker and nothing stated, a missing extra only means
    that there is no database. No database is opened.
    """
    from dragoman.stores.open import FILE_NAME, installed, located, unstated

    config = found.config
    if config.stores.sql is not None:
        try:
            located(config.stores.sql, found.home)
        except ConfigError as error:
            (problem,) = error.problems
            raise Failure(CONFIGURATION, str(problem._replace(hint=None)), hint=problem.hint) from None
        return found
    has_extra = installed()
    if unstated(found.home) == "memory":
        if config.server.workers > 1:
            why = "server.workers: several workers need a shared database"
            hint = "set DRAGOMAN_HOME to a writable folder"
            if not has_extra:
                why, hint = f"{why}, which needs the extra `sql`", f"install it with {added_by('sql')}"
            raise Failure(CONFIGURATION, why, hint=f"{hint}, or run one worker")
        if not has_extra:
            return found
        warning = Problem("stores.sql", f"{found.home} is not writable: a restart forgets everything")
        known = dict.fromkeys([*found.warnings, warning])  # `_with_kept` completes a configuration twice
        return msgspec.structs.replace(found, warnings=tuple(known))
    if not has_extra:
        why = f"{found.home / FILE_NAME} exists, and may have client keys; it needs the extra `sql`"
        hint = f"install it with {added_by('sql')}; or set stores.sql: memory, to run without this file"
        raise Failure(CONFIGURATION, why, hint=hint)
    stores = msgspec.structs.replace(config.stores, sql="sqlite")
    return msgspec.structs.replace(found, config=msgspec.structs.replace(config, stores=stores))


def _with_kept(found: Loaded) -> Loaded:
    """Return the configuration together with the entries that operators have added. found: the configuration
    with its store. If the database cannot be read, the result has a warning and no such entries. Raises
    Failure for an invalid configuration, or if this version cannot use the schema of a PostgreSQL database.
    """
    from dragoman.assembly.added import with_added
    from dragoman.stores.open import located

    database = located(found.config.stores.sql, found.home)
    try:
        return _with_store(with_added(found, database, starting=True))
    except ConfigError as error:
        raise refused(error, found.file) from None


def _with_key(found: Loaded) -> tuple[Loaded, ClientKey | None]:
    """Return (configuration, key). If a client key is needed and none is configured, a key is created or read
    from its file, and the configuration has it; otherwise the key is None. Raises Failure if the file cannot
    be read or does not contain a key.
    """
    from dragoman.assembly.keys import needs_key

    auth = found.config.auth
    if auth.keys or not needs_key(found.config):
        return found, None
    own = kept_or_made(found.home)
    return _keyed(found, own), own


def _keyed(found: Loaded, own: ClientKey) -> Loaded:
    """Return the configuration with the created key as the only key of `auth.keys`, with the scopes inference
    and admin.
    """
    from dragoman.config.accounts import ClientKey as Setting
    from dragoman.seams.secret import Secret

    secret = Secret(own.key)
    keys = (Setting(key=secret, name="created at the first start", scopes=("inference", "admin")),)
    auth = msgspec.structs.replace(found.config.auth, keys=keys)
    return msgspec.structs.replace(found, config=msgspec.structs.replace(found.config, auth=auth))


def _ready(found: Loaded, offer: _Offer, port: int, key: ClientKey | None, seconds: float) -> banner.Ready:
    from dragoman.accounts.keys import is_loopback
    from dragoman.stores.open import located

    server = found.config.server
    access: banner.Access = "open here" if is_loopback(server.host) else "open to all"
    return banner.Ready(
        host=server.host,
        port=port,
        base=banner.address(server.host, port, server.base_path),
        providers=offer.providers,
        models=offer.models,
        model=offer.model,
        clients=offer.clients,
        file=found.file,
        access="key" if offer.keyed else access,
        made=key.key if key is not None and key.made else None,
        kept=key.file if key is not None else None,
        store=located(found.config.stores.sql, found.home),
        seconds=seconds,
        workers=server.workers,
    )


def _announce(terminal: Terminal, ready: banner.Ready) -> None:
    """Print the banner on stderr, as one JSON line with `--json` or if stderr is not a terminal. With
    `--quiet` it is printed only if a key was created at this start.
    """
    if terminal.quiet and ready.made is None:
        return
    if terminal.for_people:
        terminal.insist("".join(f"{line}\n" for line in banner.for_people(ready, terminal.err)))
    else:
        terminal.insist(json.dumps(banner.for_programs(ready)) + "\n")
