"""The paths below /admin: what an operator sees and changes while the gateway runs.

Nothing here is on the way of a model's request.
"""
