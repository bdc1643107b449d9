select day::date as date_day
from range(current_date - 30, current_date + 1, interval 1 day) as days(day)
