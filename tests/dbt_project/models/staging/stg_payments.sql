select
  id as payment_id,
  order_id,
  method,
  {{ function('cents_to_amount') }}(amount_cents) as amount
from {{ source('shop', 'payments') }}
