"""Builds a running gateway from a configuration, without its servers.

`core` holds a gateway's life from start to close. `assemble` builds its parts with `names`, `providers` and
`keys`. Nothing here knows ASGI or client sockets.
"""
