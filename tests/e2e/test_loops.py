"""Two gateways that ask each other: the request ends, once, with a word about why."""

from __future__ import annotations

import json
import socket
import urllib.error
from pathlib import Path

import pytest

from dragoman.upstreams.hops import MOST
from tests.e2e.command import chat, serving


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
def test_a_request_that_goes_round_is_ended(
    environment: dict[str, str], tmp_path: Path, dialect: str
) -> None:
    ports = (free_port(), free_port())
    folders = (tmp_path / "one", tmp_path / "two")
    for folder, other in zip(folders, reversed(ports), strict=True):
        folder.mkdir()
        row = {"dialect": dialect, "base_url": f"http://127.0.0.1:{other}/v1", "keys": ["k"]}
        config = {"providers": {"next": row}, "models": {"m": {"use": "next/m"}}}
        (folder / "dragoman.yaml").write_text(json.dumps(config))
    with (
        serving(environment, folders[0], "--port", str(ports[0])) as one,
        serving(environment, folders[1], "--port", str(ports[1])) as two,
    ):
        with pytest.raises(urllib.error.HTTPError) as refused:
            chat(one.url, model="m")
        assert refused.value.code == 400
        message = json.load(refused.value)["error"]["message"]
        assert f"This request has passed {MOST} gateways" in message
        logs = [server.stop()[2] for server in (one, two)]
    assert [event["status"] for log in logs for event in log if "status" in event] == [400] * (MOST + 1)
