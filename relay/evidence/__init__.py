"""What a dbt run did and saw: fetched from dbt Cloud, and kept where fetching is dear."""
