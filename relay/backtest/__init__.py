"""What relay would have done on past dbt runs, beside what Census ran. No I/O here."""
