"""Connections and calls to providers, the download of media by URL, and the check of allowed addresses.

Nothing here knows a protocol of models, an exchange or a setting.
"""
