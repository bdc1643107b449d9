"""dbt Cloud and Census over HTTP, one door each: their field names are written nowhere else."""
