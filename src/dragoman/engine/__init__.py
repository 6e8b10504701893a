"""One request from a face to an upstream, and its answer back.

`engine` lists the stages. A `flight` makes the attempts of one exchange. Each attempt is relayed (`relay`) or
translated (`translate`), or it is an operation other than chat (`operate`). `delivery` sends the answer to
the client. Nothing here listens on a port, knows a path or reads a setting.
"""
