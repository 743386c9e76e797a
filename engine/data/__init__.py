"""Know: what do we know of each customer, as of when?"""
