"""Tools for tests of Dragoman and of code built on it: recorded exchanges, the laws of codecs, fake servers.

The package ships with Dragoman, so that the author of a dialect or an upstream can hold it to the same laws.
No other package of Dragoman imports it.
"""
