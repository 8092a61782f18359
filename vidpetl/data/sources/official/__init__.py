"""The public datasets, on the layouts in which they are downloaded."""
