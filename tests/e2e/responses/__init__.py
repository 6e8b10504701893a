"""The Responses API of a running gateway: official clients, coding agents, state, sessions, heartbeats.

Whatever a gateway of these tests says passes a tap, and is held to the published descriptions of the API when
the test ends.
"""
