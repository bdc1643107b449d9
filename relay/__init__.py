"""relay: the Census syncs whose dbt models a dbt Cloud run really rebuilt, triggered once each."""
