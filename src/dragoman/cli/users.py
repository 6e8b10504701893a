"""`dragoman users`: lists users of a running gateway, makes, changes and removes them."""

from __future__ import annotations

from dragoman.cli.holders import group_of

command = group_of("users", "user")
