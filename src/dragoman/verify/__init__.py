"""The check of structured output: whether an answer is JSON, and obeys the JSON Schema, as its request
demands. The check is optional: the client or the configuration turns it on.
"""
