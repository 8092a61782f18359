"""What readers of annotation files share: numpy, no TensorFlow."""
