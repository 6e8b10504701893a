"""Tells other systems what an operator should know soon: which alerts are sent, in which form (webhooks), and
their delivery.
"""
