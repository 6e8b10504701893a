"""One request from a face to an upstream, and its answer back.

`engine` lists the stages. A `flight` makes the attempts of one exchange. A chat is relayed (`relay`) or
translated (`translate`), any other operation is relayed by `pass_on` or translated by `operate`; `count` may
count tokens itself. `delivery` sends the answer. Nothing here listens on a port, or reads a setting.
"""
