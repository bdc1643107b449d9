{{
  config(
    materialized='incremental',
    incremental_strategy='microbatch',
    event_time='ordered_at',
    batch_size='day',
    lookback=3,
    begin=(run_started_at - modules.datetime.timedelta(days=4)).strftime('%Y-%m-%d')
  )
}}

{% set bad_day = (run_started_at - modules.datetime.timedelta(days=2)).strftime('%Y-%m-%d') -%}
select
  order_id,
  {% if broken('batch') -%}
  case when ordered_at::date = '{{ bad_day }}' then error('a bad day') else status end
  {%- else -%} status {%- endif %} as status,
  ordered_at
from {{ ref('stg_orders') }}
