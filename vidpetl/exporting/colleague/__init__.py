"""What an export brings along for those who have no vidpetl."""
