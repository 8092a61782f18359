"""Films with answers drawn in."""
