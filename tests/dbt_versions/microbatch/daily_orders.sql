{#- One batch after another: on its only thread, dbt 1.9 would wait for two at once for ever. -#}
{{
  config(
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='ordered_at',
    batch_size='day',
    begin='2024-01-01',
    concurrent_batches=false
  )
}}

select
  order_id,
  {% if broken('batch') -%}
  case when ordered_at::date = '2024-01-02' then error('a bad day') else status end
  {%- else -%} status {%- endif %} as status,
  ordered_at,
  '{{ invocation_id }}' as built_by
from {{ ref('stg_orders') }}
