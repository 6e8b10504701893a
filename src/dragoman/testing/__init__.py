"""What tests of Dragoman, and of what is built on it, are made of: recorded exchanges and the laws of codecs.

Shipped, so that the author of a dialect or an upstream can hold it to the same laws. Nothing in Dragoman
itself imports it.
"""
