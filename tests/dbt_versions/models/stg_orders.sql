{{ config(materialized='view', event_time='ordered_at') }}

select
  order_id, customer, email, status, ordered_at::timestamp as ordered_at
  {%- if broken('staging') %}, no_such_column {% endif %}
from {{ ref('raw_orders') }}
