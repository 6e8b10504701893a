"""Alerts, which tell an operator about urgent events: which alerts are sent, in which form (webhooks), and
their delivery.
"""
