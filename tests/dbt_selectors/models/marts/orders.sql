select * from {{ ref('stg_orders') }} join {{ ref('countries') }} using (country)
