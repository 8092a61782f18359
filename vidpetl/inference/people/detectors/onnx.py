"""Detectors in onnx files, whose layout is told by names and shapes."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
from etils import epath, epy

from vidpetl import parts
from vidpetl.data.annotations import text
from vidpetl.inference.people import extras
from vidpetl.inference.people.detectors import contract, layouts
from vidpetl.inference.people.detectors.layouts.contract import Graph, Layout
from vidpetl.inference.people.tracked import Detect

with epy.lazy_imports():
  import onnxruntime

# How many classes COCO's networks have -> the number of a person. With 91, a
# class has the number of COCO's files, which count from 1.
_PERSON = {1: 0, 80: 0, 91: 1}
# From the fastest; what the machine has not is left out.
_PROVIDERS = ('CUDAExecutionProvider', 'CPUExecutionProvider')
_TYPES = {
  'tensor(float)': np.float32,
  'tensor(float16)': np.float16,
  'tensor(double)': np.float64,
  'tensor(int64)': np.int64,
  'tensor(int32)': np.int32,
}
_PREPROCESSOR = 'preprocessor_config.json'


def _open(
  spec: str,
  layout: str | None = None,
  person: int | None = None,
  size: str | None = None,
) -> Detect:
  """Opens a file.

  Args:
    spec: its path.
    layout: name of a file in `layouts`; by default told by the graph.
    person: number of the class, from 0; by default COCO's.
    size: WIDTHxHEIGHT of its input, where the graph leaves it free.

  Raises:
    FileNotFoundError: if there is no such file.
    ValueError: for what is no graph, or no detector that is known, with what
      it has and what would settle it.
  """
  if not epath.Path(spec).is_file():
    raise FileNotFoundError(f'--detector={spec}: no such file')
  with extras.needed('onnxruntime', 'runs onnx files', 'predict'):
    there = onnxruntime.get_available_providers()
  try:
    session = onnxruntime.InferenceSession(
      spec, providers=[p for p in _PROVIDERS if p in there]
    )
  except Exception as error:  # its errors have no common class
    raise ValueError(f'{spec}: no onnx file that runs: {error}') from None
  graph = _graph(spec, session, size)
  name, chosen = _layout(graph, layout)
  given = {graph.image, *chosen.extras(graph, graph.size)}
  if given != graph.inputs.keys():
    raise ValueError(
      f'{spec}: as {name} it would take {", ".join(sorted(given))}; it has '
      + graph.shown()
    )
  person = _person(graph, name, chosen.classes(graph), person)
  return _Onnx(session, graph, _with_pixels(graph, chosen), person)


def _graph(path: str, session: Any, size: str | None) -> Graph:
  """Returns what the file has.

  Raises:
    ValueError: if it takes no pictures, or of another size.
  """
  inputs, outputs = (
    {
      each.name: tuple(s if isinstance(s, int) else None for s in each.shape)
      for each in sides
    }
    for sides in (session.get_inputs(), session.get_outputs())
  )
  graph = Graph(path, inputs, outputs, None)
  pictures = [shape for shape in inputs.values() if len(shape) == 4]
  if len(pictures) != 1 or pictures[0][1] not in (3, None):
    raise ValueError(
      f'{path}: takes no pictures [batch, 3, height, width]; {graph.shown()}'
    )
  batch, _, height, width = pictures[0]
  if batch not in (1, None):
    raise ValueError(
      f'{path}: takes {batch} pictures at once; export it for one, or for any '
      'number'
    )
  return dataclasses.replace(graph, size=_size(graph, height, width, size))


def _size(
  graph: Graph, height: int | None, width: int | None, size: str | None
) -> tuple[int, int]:
  """Returns (height, width) of the input: the graph's, or what is told."""
  told = _told_size(graph.path, size)
  if height and width:
    if told not in (None, (height, width)):
      raise ValueError(
        f'{graph.path}: size={size}, but its pictures are {width}x{height}'
      )
    return height, width
  if told is None and (beside := _beside(graph.path)):
    sides = beside.get('size') or {}
    if isinstance(sides, dict) and {'height', 'width'} <= sides.keys():
      told = sides['height'], sides['width']
  if told is None:
    raise ValueError(
      f'{graph.path}: leaves the size of its pictures free; give it as '
      f'--detector={graph.path}:size=640x640 (width x height)'
    )
  return told


def _told_size(path: str, size: str | None) -> tuple[int, int] | None:
  if size is None:
    return None
  match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', size)
  if not match:
    raise ValueError(f'{path}: size={size}; expected WIDTHxHEIGHT: 640x640')
  return int(match[2]), int(match[1])


def _beside(path: str) -> dict[str, Any]:
  """Returns the preprocessing that lies beside a file; {} if none does."""
  config = epath.Path(path).parent / _PREPROCESSOR
  if not config.is_file():
    return {}
  return text.read_json(config, dict, 'the settings of an image processor')


def _layout(graph: Graph, name: str | None) -> tuple[str, Layout]:
  known = {
    part: parts.load(layouts, part, 'LAYOUT', 'layout').LAYOUT
    for part in parts.names(layouts, 'LAYOUT')
  }
  where = f'--detector={graph.path}'
  if name is not None:
    module = parts.load(layouts, name, 'LAYOUT', f'{where}:layout')
    return name, module.LAYOUT
  fitting = [each for each, layout in known.items() if layout.fits(graph)]
  if len(fitting) != 1:
    titles = '; '.join(f'{n} ({each.title})' for n, each in known.items())
    height, width = graph.size
    raise ValueError(
      f'{graph.path}: fits {" and ".join(fitting) or "none"} of the layouts; '
      f'it has {graph.shown()}, for pictures of {width}x{height}. Say which '
      f'it is by {where}:layout=…, one of {titles}'
    )
  return fitting[0], known[fitting[0]]


def _person(
  graph: Graph, layout: str, count: int | None, person: int | None
) -> int:
  """Returns the number of the class that is a person."""
  if person is None:
    person = _PERSON.get(count)
    if person is None:
      raise ValueError(
        f"{graph.path}: has {count or '?'} classes, which are not COCO's 80 "
        f'or 91; say which is a person: --detector={graph.path}:person=0'
      )
  if person < 0 or (count is not None and person >= count):
    raise ValueError(
      f'{graph.path}: person={person}, but as {layout} it has the classes '
      f'0..{(count or 1) - 1}'
    )
  return person


def _with_pixels(graph: Graph, layout: Layout) -> Layout:
  """Returns a layout with the mean and deviation beside the file, if any."""
  beside = _beside(graph.path)
  if 'do_normalize' not in beside:
    return layout
  normal = None
  if beside['do_normalize']:
    try:
      normal = tuple(beside['image_mean']), tuple(beside['image_std'])
    except (KeyError, TypeError):
      raise ValueError(
        f'{epath.Path(graph.path).parent / _PREPROCESSOR}: do_normalize, but '
        'no image_mean and image_std'
      ) from None
  pixels = dataclasses.replace(layout.pixels, normal=normal)
  return dataclasses.replace(layout, pixels=pixels)


class _Onnx:
  """Runs a graph on one frame."""

  def __init__(self, session, graph: Graph, layout: Layout, person: int):
    self._session, self._graph = session, graph
    self._layout, self._person = layout, person
    self._types = {
      each.name: _TYPES.get(each.type, np.float32)
      for each in session.get_inputs()
    }

  def __call__(self, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    graph, layout = self._graph, self._layout
    picture, placed = layout.pixels.prepare(frame, graph.size)
    feed = {graph.image: picture, **layout.extras(graph, graph.size)}
    outputs = self._session.run(
      list(graph.outputs),
      {name: np.asarray(v, self._types[name]) for name, v in feed.items()},
    )
    outputs = {name: out[0] for name, out in zip(graph.outputs, outputs)}
    try:
      boxes, scores = layout.decode(outputs, placed, self._person)
    except (KeyError, IndexError, ValueError) as error:
      shapes = {name: list(out.shape) for name, out in outputs.items()}
      raise ValueError(
        f'{graph.path}: gives {shapes}, which is no {layout.title} ({error})'
      ) from None
    return contract.cleaned(boxes, scores, suppress=layout.suppress)


DETECTOR = contract.Detector(
  title='an onnx file of a detector (YOLOX, D-FINE, RT-DETR, RF-DETR, …)',
  takes=lambda spec: spec.lower().endswith('.onnx'),
  open=_open,
)
