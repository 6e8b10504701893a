"""Where the operators' ways in are, and what becomes of one that cannot be opened."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import doors
from dragoman.cli.terminal import Failure
from dragoman.config.load import Loaded, load

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets")


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def found(home: Path, **server: Any) -> Loaded:
    return load({"server": server}, {"DRAGOMAN_HOME": str(home)})


def test_it_is_in_dragomans_folder_by_its_port(home: Path) -> None:
    with doors.opened(found(home, port=1), 8123) as (one,):
        assert (one.door, one.path) == ("socket", home / "run" / "8123.sock")
        assert doors.running(found(home, port=8123)) == one.path
        assert doors.running(found(home, port=1)) == one.path, "it is the only one"
        with doors.opened(found(home), 8124):
            assert doors.running(found(home, port=1)) is None, "nobody knows which is meant"
        with socket.socket(socket.AF_UNIX) as killed:
            killed.bind(str(home / "run" / "8125.sock"))
        assert doors.running(found(home, port=1)) == one.path, "nobody listens on the other one"
        (home / "run" / "8125.sock").unlink()
    assert list((home / "run").iterdir()) == []
    assert doors.running(found(home)) is None


def test_a_stated_place_counts_alone(home: Path) -> None:
    place = home / "own.sock"
    settings = found(home, admin_socket=str(place))
    assert doors.running(settings) is None
    with doors.opened(settings, 1) as (one,):
        assert one.path == place == doors.running(settings)
        with pytest.raises(Failure, match=r"server\.admin_socket: cannot listen on .*own\.sock"):
            doors.opened(settings, 1).__enter__()


def test_the_gateway_runs_without_a_socket_at_the_usual_place(home: Path) -> None:
    (home / "run").write_text("no folder")
    with doors.opened(found(home), 1) as opened:
        assert opened == []
    deep = home / ("a" * 120)
    with doors.opened(found(deep), 1) as opened:
        assert opened == []


def test_a_port_that_is_taken_is_an_error(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failure, match="cannot listen on") as failed:
            doors.opened(found(home, admin_port=port), 1).__enter__()
    assert failed.value.hint == "server.admin_port and server.admin_host say where"
    with doors.opened(found(home, admin_port=0), 1) as (port_door, local):
        assert (port_door.door, port_door.path, local.door) == ("admin", None, "socket")
