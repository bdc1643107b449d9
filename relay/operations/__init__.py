"""What relay does for a person who asks, as functions that return values."""
