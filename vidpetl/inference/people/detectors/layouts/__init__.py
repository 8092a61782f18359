"""What the graphs of onnx detectors take and give, one layout in each file.

A module of this folder that ends in `LAYOUT` is a layout; see `contract`.
"""
