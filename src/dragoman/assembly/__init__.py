"""Builds a running gateway from a configuration, without its HTTP server.

`core` has a gateway's life from start to close. `assemble` builds its parts with `names`, `providers` and
`keys`. No module of this package knows ASGI or client sockets.
"""
