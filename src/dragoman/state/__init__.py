"""The interfaces of the stores, and the values that stores keep between requests. Also the code that works on
these values: it makes the entries of the seal vault (the parts of an answer that its client cannot send back,
such as signatures), puts their content back into later requests, reads the names of limits' counters, and
adds up usage for reports.
"""
