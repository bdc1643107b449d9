"""What Census holds, and how it relates to a dbt project: pure values and rules, no I/O."""
