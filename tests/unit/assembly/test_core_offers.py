"""What a running gateway tells about itself: its providers with their keys, whose keys it takes."""

from __future__ import annotations

from pathlib import Path

from dragoman.assembly.providers import descriptions
from dragoman.config.load import load
from dragoman.gateway import Gateway

TEXT = """
providers:
  openai: {keys: [sk-0123456789abcdef, sk-1123456789abcdef]}
  short: {base_url: "http://10.0.0.5:8000", keys: [k]}
  groq: {}
  mine: {base_url: "http://10.0.0.6:8000"}
  local: {enabled: false}
models:
  robust: {use: mine/qwen}
auth:
  keys:
  - {key: dgm_0123456789abcdef, name: team-a}
  - {key: dgm_1123456789abcdef, name: team-b}
  - dgm_2123456789abcdef
"""


async def test_providers_with_their_keys_and_clients_with_theirs(tmp_path: Path) -> None:
    (tmp_path / "team.yaml").write_text(TEXT)
    gateway = Gateway(load(tmp_path / "team.yaml", {"DRAGOMAN_HOME": str(tmp_path)}))
    await gateway.start()
    try:
        told = descriptions(gateway.running.upstreams, gateway.loaded.providers)
        assert told == ["openai 2 keys", "short 1 key", "groq no key", "mine"]
        first, second, unnamed = gateway.client_keys.counts
        assert (first, second, unnamed.startswith("key ")) == ("team-a", "team-b", True)
        assert gateway.example_model() == "robust"
    finally:
        await gateway.close()
