"""The interfaces of the stores, the values that stores keep between requests, and two kinds of code that work
on these values: the code that makes vault entries and puts their content (thinking, seals, …) back into
requests, and the code that adds up usage for reports.
"""
