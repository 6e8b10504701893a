"""One request from a face to an upstream and its answer back.

`engine` is the literal list of stages. A `flight` makes the attempts of one exchange; each is relayed
(`relay`), translated (`translate`) or an operation beside chat (`operate`). `delivery` is the answer's way to
the client. Nothing here listens, knows a path or reads a setting.
"""
