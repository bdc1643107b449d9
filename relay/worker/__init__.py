"""The worker process, and the tasks it runs."""
