select customer, email, count(*) as order_count, '{{ invocation_id }}' as built_by
from {{ ref('orders') }}
group by customer, email
