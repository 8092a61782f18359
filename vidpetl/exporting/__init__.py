"""A trained run as a file for others: JAX, TensorFlow, ONNX, PyTorch."""
