select distinct customer as name, email, '{{ invocation_id }}' as built_by from {{ ref('stg_orders') }}
