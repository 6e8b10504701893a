"""OpenAI Responses, as OpenAI and Azure serve it, and Open Responses 2026-04-24, both directions."""
