round(cents / 100.0, 2)
