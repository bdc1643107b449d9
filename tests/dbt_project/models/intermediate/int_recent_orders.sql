{{ config(materialized='ephemeral') }}

select *
from {{ ref('orders') }}
where ordered_at >= current_date - 3
