"""`dragoman tenants`: lists and shows the tenants of a running gateway, and creates, changes and removes
them.
"""

from __future__ import annotations

from dragoman.cli.holders import group_of

command = group_of("tenants", "tenant")
