"""What the dashboard's pages read: rows for people, the newest first, in few bounded queries.

A filter looks at the newest SCANNED rows of a list, so that no page reads the whole history.
"""
