"""Readers of the datasets' official annotation files: numpy, no TensorFlow."""
