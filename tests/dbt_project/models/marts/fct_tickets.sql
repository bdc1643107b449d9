{{ config(materialized='incremental', unique_key='ticket_id') }}

select *
from {{ ref('stg_tickets') }}
{% if is_incremental() %}
where opened_at > (select max(opened_at) - interval 1 day from {{ this }})
{% endif %}
