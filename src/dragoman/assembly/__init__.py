"""Builds a running gateway from a configuration, without its servers.

Only this package knows both the settings and the running parts. `core` holds a gateway's life from start to
close. `assemble` builds the parts with `names`, `providers` and `keys`. Nothing here knows ASGI or client
sockets, or reads a file other than the configuration.
"""
