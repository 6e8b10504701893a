"""Tokens of identities in clouds, by the clouds' own libraries. Each module needs the extra of its cloud."""
