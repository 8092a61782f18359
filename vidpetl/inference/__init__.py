"""A trained run, asked."""
