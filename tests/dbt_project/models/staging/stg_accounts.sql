select
  id as account_id,
  name as account_name,
  plan_code,
  updated_at
from {{ source('crm', 'accounts') }}
