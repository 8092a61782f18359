"""A page, and the same over HTTP, that answers films which are sent to it."""
