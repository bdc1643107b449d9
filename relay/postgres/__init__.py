"""PostgreSQL: which server, how to connect, and schema migration."""
