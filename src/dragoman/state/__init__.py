"""The interfaces of the stores, and the values that stores keep between requests. Also the code that works on
these values: it makes vault entries, puts their content (thinking, seals, …) back into requests, reads the
names of limits' counters, and adds up usage for reports.
"""
