select * from {{ ref('orders') }} cross join {{ ref('vat_rates') }}
