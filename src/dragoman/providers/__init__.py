"""Vendors and accounts: which dialect they speak, at which address, with which credential.

`catalog` holds the known vendors as data, `address` normalises base URLs, `auth` adds the credential to a
prepared request, `provider` is a configured account. No IO, no configuration files.
"""
