select 1 as contact_id
