"""The check of structured output: whether an answer has the form that its request demands. The check is
optional.
"""
