"""Sends alerts, which tell an operator what is urgent, to webhooks: which alerts are sent, in which form, and
their delivery.
"""
