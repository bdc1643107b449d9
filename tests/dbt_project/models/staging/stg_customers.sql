select
  id as customer_id,
  account_id,
  name as customer_name,
  email,
  country as country_code
from {{ source('shop', 'customers') }}
