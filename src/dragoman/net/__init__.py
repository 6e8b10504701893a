"""The way out: connections and calls to providers, media that requests name, where we may connect to.

Nothing here knows a protocol of models, an exchange or a setting.
"""
