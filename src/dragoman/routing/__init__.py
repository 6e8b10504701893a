"""Pure decisions: which deployments a model name means, and which attempt is made next. Clock and randomness
are arguments.
"""
