"""Tokens and access keys of identities in clouds, from the clouds' own libraries. The module for a cloud
needs the optional dependencies (the extra) for this cloud.
"""
