with revenue as (select sum(revenue) as total from {{ ref('fct_revenue') }}),
orders as (select sum(amount) as total from {{ ref('orders') }})

select revenue.total as revenue, orders.total as ordered
from revenue
cross join orders
where revenue.total > orders.total
