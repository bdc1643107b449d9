{{ config(materialized='incremental') }}

select order_id, status, '{{ invocation_id }}' as built_by from {{ ref('stg_orders') }}
{% if is_incremental() %}
where order_id >= (select max(order_id) from {{ this }})
{% endif %}
