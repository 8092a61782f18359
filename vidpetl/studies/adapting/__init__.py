"""A search for what adapts a backbone to some data, within a budget."""
