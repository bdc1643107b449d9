"""`/metrics`: what this process counted, and what all processes wrote to the database."""

EXTENSION = "relay.metrics"  # where the application has its page
