"""Shared by OpenAI's APIs: errors, counts, log probabilities, strict schemas, the operations beside chat."""
