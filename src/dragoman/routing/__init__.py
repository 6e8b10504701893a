"""Decides which deployments a model name means, and which deployment and key the next attempt calls. Nothing
here reads a clock or draws random numbers: callers pass both in.
"""
