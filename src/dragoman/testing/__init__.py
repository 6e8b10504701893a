"""Tools for tests of Dragoman and of code built on it: recorded exchanges, the laws of codecs, fake servers.

No other package of Dragoman imports it.
"""
