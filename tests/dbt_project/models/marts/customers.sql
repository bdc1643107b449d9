with customers as (select * from {{ ref('stg_customers') }}),
countries as (select * from {{ ref('countries') }}),
customer_orders as (select * from {{ ref('int_customer_orders') }})

select
  customers.customer_id,
  customers.account_id,
  customers.customer_name,
  customers.email,
  countries.country,
  coalesce(customer_orders.order_count, 0) as order_count,
  coalesce(customer_orders.lifetime_value, {{ -1 if broken('unit_test') else 0 }}) as lifetime_value
from customers
left join countries on countries.code = customers.country_code
left join customer_orders using (customer_id)
