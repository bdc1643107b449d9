select
  account_id,
  account_name,
  plan_code
from {{ ref('stg_accounts') }}
