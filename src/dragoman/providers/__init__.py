"""Who speaks a dialect, where, and with which credential.

`catalog` holds the known vendors as data, `address` turns any spelling of a base URL into one,
`auth` signs a prepared request, `provider` is a configured account. No IO, no configuration files.
"""
