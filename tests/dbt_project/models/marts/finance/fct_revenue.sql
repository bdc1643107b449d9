select
  ordered_at::date as ordered_on,
  customer_id,
  sum(amount) as revenue
from {{ ref('orders') }}
where status <> 'placed'
group by all
