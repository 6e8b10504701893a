"""Tokens and access keys of identities in clouds, from the clouds' own libraries. The module of a cloud needs
the extra of this cloud.
"""
