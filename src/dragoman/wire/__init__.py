"""Reads and writes bytes: the frames of streams (single events or lines), JSON, forms, headers, data URLs,
sound, subtitles and vectors. Also finds media types, and hides secrets in bodies. No module here does IO or
knows an AI protocol.

A function that must read its bytes raises `WireError` if they are not valid. The error states the problem and
its place, but not who caused it.
"""
