"""Serves client requests: from the request's bytes to an upstream, and the upstream's answer back to the
client.

`engine` runs the stages of a request. A `flight` makes the attempts of one exchange, at the deployments that
`candidates` chooses; `hedged` and `continued` are special flights. A chat is relayed by `relay` or translated
by `translate`. A realtime session is relayed by `converse`. Every other operation is relayed by `pass_on` or
translated by `operate`; `count` may also count the tokens of a prompt without an upstream. `delivery` sends
the answer, and `meter` accounts for the exchange. `discovery` and `checks` ask providers in the background.
No module here listens on a port or reads the configuration.
"""
