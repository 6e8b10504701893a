"""How the provider of each dialect says one set of facts, whole or streamed as the request asks."""
