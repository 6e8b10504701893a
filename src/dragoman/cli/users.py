"""`dragoman users`: lists and shows the users of a running gateway, and creates, changes and removes them."""

from __future__ import annotations

from dragoman.cli.holders import group_of

command = group_of("users", "user")
