with revenue as (select * from {{ ref('fct_revenue') }}),
customers as (select * from {{ ref('customers') }})

select
  customers.country,
  sum(revenue.revenue) as revenue
from revenue
left join customers using (customer_id)
group by all
