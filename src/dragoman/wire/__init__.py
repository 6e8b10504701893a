"""Reads and writes bytes: the frames of streams (single events or lines), JSON, forms, headers, data URLs,
sound, subtitles and vectors. Also finds media types, and hides secrets in bodies. No module here does IO.

Functions that refuse bytes raise `WireError`. The error states the problem, and its place if that is known,
but not who caused it.
"""
