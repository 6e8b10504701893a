"""Tools for tests of Dragoman and of code built on it: recorded exchanges, the laws of codecs, a fake
provider, and a gateway that runs during a test. No other package of Dragoman imports this one.
"""
