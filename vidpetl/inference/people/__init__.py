"""Where the people are in a film: given in a csv, or found and followed."""
