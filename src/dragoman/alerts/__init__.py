"""Alerts, which tell an operator about urgent events: which alerts are sent, how they are written (webhooks),
and how they are delivered.
"""
