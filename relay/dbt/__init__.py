"""dbt's data: runs, their steps and artifacts, the project's nodes. No I/O here."""
