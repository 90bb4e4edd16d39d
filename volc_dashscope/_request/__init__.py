"""What happens to one call: validate, batch, schedule, exchange, and place the rows."""
