"""Outgoing HTTP: pooled connections and calls to providers, downloads of media by URL, the allowed addresses.

Nothing here knows a protocol of models, an exchange or a setting.
"""
