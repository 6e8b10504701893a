"""The interfaces of the stores, the values that stores keep between requests, and the code that puts stored
thinking and seals back into requests.
"""
