"""What defaults come to on this machine."""

from __future__ import annotations

from pathlib import Path

from tests.unit.cli.conftest import Run

TEAM = """\
server: {port: 3000}
providers:
  groq: {}
  openai: {keys: [sk-0123456789abcdef], timeouts: {first_byte: 20s}}
  mine: {base_url: "http://10.0.0.5:8000"}
models:
  robust: {use: openai/gpt-4o, timeouts: {idle: 7s}}
auth:
  keys: [dgm_0123456789abcdef]
"""


def test_all_shows_what_defaults_come_to_and_no_null(run: Run, folder: Path) -> None:
    (folder / "team.yaml").write_text(TEAM)
    code, out, _ = run("config", "show", "-c", "team.yaml", "--all")
    rows = {path: (value, source) for path, value, source in (line.split("\t") for line in out.splitlines())}
    assert (code, len(rows) > 150) == (0, True)
    assert "null" not in {value for value, _ in rows.values()}
    assert rows["server.port"] == ("3000", "team.yaml:1")
    assert rows["auth.required"] == ("true", "default")
    assert rows["providers.openai.answers.max_silence"] == ("1m", "default")
    assert rows["providers.mine.answers.max_silence"] == ("30m", "default")
    assert rows["models.robust.timeouts.first_byte"] == ("20s", "default")
    assert rows["models.robust.strict"] == ("false", "default")
    assert rows["providers.groq.base_url"] == ("https://api.groq.com/openai/v1", "default")
    assert rows["providers.groq.keys"] == ("(none)", "default")
    assert rows["providers.openai.timeouts.total"] == ("(no limit)", "default")
    assert rows["server.drain_delay"][0].startswith("(5s if /health/ready was requested ")
    connections = int(rows["server.max_connections"][0])
    assert int(rows["server.max_connections_per_address"][0]) == max(16, connections // 4)
