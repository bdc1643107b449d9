select
  id as ticket_id,
  customer_id,
  is_open,
  opened_at
from {{ source('crm', 'tickets') }}
