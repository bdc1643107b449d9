"""Messages about what went wrong and what is over. No I/O here: `vendors/channels/` sends them."""
