select distinct customer as name, '{{ invocation_id }}' as built_by from {{ ref('stg_orders') }}
