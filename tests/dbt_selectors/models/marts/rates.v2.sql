select * from {{ ref('vat_rates') }}
