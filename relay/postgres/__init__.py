"""PostgreSQL itself: which server, how to connect, and how its schema is brought up to date."""
