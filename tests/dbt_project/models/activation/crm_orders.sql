{{ config(alias='Orders for the CRM') }}

select order_id, customer_id, status, amount
from {{ ref('int_recent_orders') }}
