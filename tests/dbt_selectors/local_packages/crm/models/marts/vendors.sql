select * from {{ ref('contacts') }}
