"""What a dbt run did and saw: fetched from dbt Cloud, and cached where fetching is expensive."""
