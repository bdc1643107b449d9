select
  {% if broken('model') -%} error('no orders today')
  {%- elif broken('test') -%} 1
  {%- else -%} order_id
  {%- endif %} as order_id,
  customer,
  email,
  '{{ invocation_id }}' as built_by
from {{ ref('paid_orders') }}
