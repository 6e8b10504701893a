"""Builds a running gateway from a configuration, without its HTTP server.

`core` has the gateway's life from start to close. `assemble` builds the running parts; most other modules
build or run one kind of part each. No module of this package knows ASGI or client sockets.
"""
