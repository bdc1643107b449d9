"""What a dbt run means for each sync: mapping, history and verdict. No I/O here."""
