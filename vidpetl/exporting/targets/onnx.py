"""ONNX, by jax2onnx: what onnxruntime and its like take.

It computes in float32, whatever the run did: few runtimes have bfloat16.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import jax
import numpy as np
from etils import epath, epy

from vidpetl.backbones import devices
from vidpetl.exporting import subject as subject_lib
from vidpetl.exporting.targets import jax as jax_target

with epy.lazy_imports():
  import jax2onnx
  import onnx
  import onnxruntime

SUFFIX = '.onnx'
# Of protobuf; weights beyond it lie in a file beside the graph.
_LARGEST = 1 << 30
TOLERANCE = {'float32': 1e-3, 'bfloat16': 1e-1}
NEEDS = 'onnxruntime av'
EXAMPLE = """
import onnxruntime
model = onnxruntime.InferenceSession('model.onnx')
names = [output.name for output in model.get_outputs()]
answer = dict(zip(names, model.run(names, inputs)))
"""


def write(subject: subject_lib.Subject, folder: epath.Path) -> None:
  """Writes model.onnx, and compare.onnx.

  Raises:
    ValueError: if what it needs is not installed, or a graph cannot be made.
  """
  for library in ('jax2onnx', 'onnx', 'onnxruntime'):
    if importlib.util.find_spec(library) is None:
      raise ValueError(
        f'--to=onnx needs {library}: pip install "vidpetl[onnx]".'
      )
  subject = subject.in_dtype('float32')
  for program in subject.programs():
    try:
      with devices.meant(devices.CPU):
        graph = _graph(subject, program)
    except Exception as error:  # Whatever stops the converter.
      words = str(error).partition('\n')[0]
      raise ValueError(
        f'{subject.origin}: jax2onnx makes no graph of it ({words}); '
        '--to=jax and --to=saved_model hold the same.'
      ) from error
    large = graph.ByteSize() > _LARGEST
    onnx.save_model(
      graph,
      str(folder / (program.name + SUFFIX)),
      save_as_external_data=large,
      location=program.name + SUFFIX + '.data',
    )


def _graph(subject: subject_lib.Subject, program: subject_lib.Program) -> Any:
  """Returns the ONNX model of a program, weights inside."""

  names = list(program.inputs)
  params = {k: np.asarray(v) for k, v in subject.params.items()}
  known = {}

  def function(*given):
    found = program.function(params, dict(zip(names, given)))
    known.update(dict.fromkeys(found))
    return tuple(found.values())

  jax.eval_shape(function, *subject_lib.zeros(program, 2).values())
  cumsum = jax.numpy.cumsum
  try:
    return jax2onnx.to_onnx(
      function,
      list(jax_target.symbolic(program).values()),
      model_name=program.name,
      input_names=names,
      output_names=list(known),
    )
  finally:
    # It leaves a stand-in of its own there, for the rest of the process.
    jax.numpy.cumsum = cumsum


def reader(subject: subject_lib.Subject, folder: epath.Path) -> Any:
  """Loads what `write` has written; see `targets`."""

  def run(name: str, inputs: subject_lib.Arrays) -> dict[str, Any]:
    session = _open(folder / (name + SUFFIX))
    taken = {each.name for each in session.get_inputs()}
    names = [each.name for each in session.get_outputs()]
    given = {k: np.asarray(v) for k, v in inputs.items() if k in taken}
    return dict(zip(names, session.run(names, given)))

  return run


def _open(path: epath.Path) -> Any:
  try:
    return onnxruntime.InferenceSession(str(path))
  except Exception as error:  # Of a graph that the converter got wrong.
    words = str(error).partition('\n')[0]
    raise ValueError(
      f'onnxruntime does not load what jax2onnx made ({words}); --to=jax and '
      '--to=saved_model hold the same.'
    ) from error
