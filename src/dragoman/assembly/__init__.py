"""From a configuration to a running gateway, without its servers.

Only this room knows both the settings and the running parts. `core` is the gateway's inside: its life from
start to close. `names`, `providers` and `keys` build what `assemble` puts together. No ASGI, no socket of a
client, no file but the configuration's.
"""
