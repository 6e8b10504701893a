"""How bytes are cut into frames and values: incremental, sans-IO, without meaning.

Nothing here reads a socket, knows a dialect or changes a value. Bytes that cannot be cut raise
`WireError`, which says what is wrong and where, and blames nobody.
"""
