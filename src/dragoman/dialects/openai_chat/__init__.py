"""OpenAI chat completions, as OpenAI and its many compatible vendors speak it."""
