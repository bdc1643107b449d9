select * from {{ ref('prices', v='gold') }} where price < 0
