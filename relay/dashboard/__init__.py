"""The dashboard: pages about what relay did and why, and what a person may ask of it.

Nothing of it is imported without RELAY_ADMIN_TOKEN. It calls no vendor: it reads the database, and
what needs a vendor is asked of a worker.
"""
