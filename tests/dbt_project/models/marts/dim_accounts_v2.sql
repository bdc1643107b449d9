with accounts as (select * from {{ ref('stg_accounts') }}),
plans as (select * from {{ ref('plans') }})

select
  accounts.account_id,
  accounts.account_name,
  plans.plan,
  plans.monthly_price
from accounts
left join plans on plans.code = accounts.plan_code
