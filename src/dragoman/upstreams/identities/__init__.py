"""Tokens and access keys of identities in clouds, from the clouds' own libraries. Each module needs the extra
of its cloud.
"""
