with orders as (select * from {{ ref('stg_orders') }}),
payments as (select * from {{ ref('int_order_payments') }})

select
  orders.order_id,
  orders.customer_id,
  {% if broken('test') %}'lost'{% else %}orders.status{% endif %} as status,
  orders.ordered_at,
  {% if broken('model') %}cast('no amount' as double){% else %}payments.amount{% endif %} as amount
from orders
left join payments using (order_id)
