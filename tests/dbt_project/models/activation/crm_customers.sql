select
  customer_id,
  email,
  lifetime_value
from {{ ref('customers') }}
where email is not null
