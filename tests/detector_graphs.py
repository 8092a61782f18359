"""Graphs of detectors as their tools publish them, that answer by constants."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64


def write(path, inputs, outputs, copies=None):
  """Writes a graph.

  Args:
    path: of the file.
    inputs: name -> (type, shape).
    outputs: name -> array that it gives.
    copies: name of a further output -> input that it gives back, by which a
      test sees what went in.
  """
  nodes, made = [], []
  for name, array in outputs.items():
    nodes.append(
      helper.make_node(
        'Constant', [], [name], value=numpy_helper.from_array(array)
      )
    )
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    made.append(helper.make_tensor_value_info(name, kind, array.shape))
  for name, source in (copies or {}).items():
    nodes.append(helper.make_node('Identity', [source], [name]))
    made.append(helper.make_tensor_value_info(name, *inputs[source]))
  taken = [
    helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()
  ]
  graph = helper.make_graph(nodes, 'detector', taken, made)
  model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
  model.ir_version = 9
  onnx.save(model, str(path))
  return str(path)


def picture(height, width):
  """Returns the usual input."""
  return {'images': (FLOAT, [1, 3, height, width])}


def logit(share):
  return float(np.log(share / (1 - share)))
