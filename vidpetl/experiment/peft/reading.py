"""From peft's files.

Arrays say where something was learned, and with what rank: their names are
those of the layers, whatever list, regex or numbers of blocks chose them. The
config says the scale.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl import sealed
from vidpetl.experiment.peft import fields, names
from vidpetl.parameters import package, storage

Entry = dict[str, Any]
Options = tuple[tuple[str, Any], ...]

_KEY = re.compile(
  r'^(?:base_model\.model\.)?((?:.+?\.)?layers?\.(\d+)\.([\w.]+?)|.+?)'
  r'\.(lora_A|lora_B|ia3_l)(?:\.default)?(\.weight)?$'
)
_CLASSIFIER = re.compile(
  r'(?:^|\.)classifier(?:\.modules_to_save)?(?:\.default)?\.(weight|bias)$'
)


@dataclasses.dataclass(frozen=True)
class _Layer:
  """A dense layer that something was learned for.

  Attributes:
    module: its name there.
    block: its number.
    place: a key of `names.PLACES`.
    before: whether it was learned for what the layer reads.
  """

  module: str
  block: int
  place: str
  before: bool

  @property
  def site(self) -> str:
    site = self.place.partition('/')[0]
    return names.SITE_BEFORE[site] if self.before else site

  @property
  def letter(self) -> str:
    """Returns which of q, k, v it is, '' for other layers."""
    return names.LETTERS.get(self.place.partition('/')[2], '')


def read_config(folder: str, depth: int) -> tuple[Entry, ...]:
  """Returns the entries of `config.petl` that a folder of peft's stands for.

  Args:
    folder: with peft's two files.
    depth: number of blocks of the backbone.

  Raises:
    ValueError: if it is neither plain LoRA nor (IA)^3 of dense layers.
  """
  path = epath.Path(folder) / package.CONFIG
  if not path.is_file():
    raise ValueError(f'{path}: not found; it is part of what peft saves')
  config = sealed.read(path)
  kind = config.get('peft_type')
  if kind not in names.TECHNIQUES:
    raise ValueError(
      f'{path}: peft_type {kind!r} is none of {", ".join(names.TECHNIQUES)}'
    )
  fields.check(path, config)
  alpha = config.get('lora_alpha')
  if kind == names.LOW_RANK and not isinstance(alpha, (int, float)):
    raise ValueError(f'{path}: lora_alpha is {alpha!r}, and not a number')
  file, arrays = _load(folder)
  options = {
    layer: _options(config, layer, rank)
    for layer, rank in _layers(file, arrays).items()
  }
  if not options:
    raise ValueError(f'{file}: nothing was learned for a layer of a block')
  return tuple(_entries(options, depth))


def read(
  folder: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
  """Reads what peft saved, under the paths that it has here.

  Args:
    folder: with peft's two files.
    shapes: path -> shape of the technique's parameters and of one head.

  Returns:
    Path -> array: all of the technique's, and the head's if it is there.

  Raises:
    ValueError: naming what is missing, left over or of another shape.
  """
  file, arrays = _load(folder)
  ours = {
    (int(m[1]), names.place(m[2], m[3]), names.PARTS[m[4]].split('.')[0]): path
    for path in shapes
    if (m := names.PATH.match(path))
  }
  kernels = [p for p in shapes if p.endswith('output_projection/kernel')]
  found, unknown = {}, []
  for name, value in arrays.items():
    if (match := _KEY.match(name)) and match[2]:
      key = int(match[2]), names.PLACE_OF.get(match[3]), match[4]
      path = ours.get(key)
    elif (match := _CLASSIFIER.search(name)) and len(kernels) == 1:
      part = {'weight': 'kernel', 'bias': 'bias'}[match[1]]
      path = kernels[0].removesuffix('kernel') + part
    else:
      path = None
    if path is None:
      unknown.append(name)
    else:
      found[path] = _fitted(f'{file}: {name}', value, shapes[path])
  missing = sorted(set(ours.values()) - set(found))
  if missing or unknown:
    raise ValueError(f'{file}: missing {missing[:3]}, unknown {unknown[:3]}')
  return found


def _load(folder: str) -> tuple[epath.Path, dict[str, np.ndarray]]:
  file = epath.Path(folder) / package.MODEL
  if not file.is_file():
    raise ValueError(
      f"{file}: not found; peft's save_pretrained writes it, and "
      'adapter_model.bin in its place with safe_serialization=False'
    )
  return file, storage.read_arrays(file)


def _layers(file: epath.Path, arrays: Mapping[str, np.ndarray]):
  """Returns layer -> rank (0 of (IA)^3) of all that is no classifier.

  Raises:
    ValueError: for layers that are not of a block, or have no site here.
  """
  found, at = {}, {}
  for name, value in arrays.items():
    if _CLASSIFIER.search(name):
      continue
    match = _KEY.match(name)
    place = names.PLACE_OF.get(match[3]) if match and match[2] else None
    if place is None:
      known = ', '.join(sorted(names.PLACE_OF))
      raise ValueError(
        f'{file}: {name} belongs to no dense layer of a block, nor to a '
        f'classifier; these are {known}'
      )
    before = match[4] == 'ia3_l' and value.shape[0] == 1 < value.size
    if before and place not in names.SITE_BEFORE:
      raise ValueError(f'{file}: {name} in front of {place} has no site here')
    layer = _Layer(match[1], int(match[2]), place, before)
    first = at.setdefault((layer.block, place), layer)
    if first != layer:
      raise ValueError(
        f'{file} is for two layers that are one here: {first.module} and '
        f'{layer.module}'
      )
    rank = value.shape[0] if match[4] == 'lora_A' else 0
    found[layer] = max(rank, found.get(layer, 0))
  return found


def _options(config: Entry, layer: _Layer, rank: int) -> Options:
  """Returns the technique and its options for a layer."""
  technique = ('technique', names.TECHNIQUES[config['peft_type']])
  if config['peft_type'] == names.VECTORS:
    return (technique,)
  alpha = float(config['lora_alpha'])
  for pattern, value in (config.get('alpha_pattern') or {}).items():
    if re.match(rf'(.*\.)?({pattern})$', layer.module):
      alpha = float(value)
      break
  if config.get('use_rslora'):
    # alpha / sqrt(r), and here it is alpha / r.
    alpha *= math.sqrt(rank)
  return (
    technique,
    ('rank', rank),
    ('alpha', alpha),
    ('dropout', config.get('lora_dropout', 0.0)),
  )


def _entries(layers: Mapping[_Layer, Options], depth: int) -> Iterable[Entry]:
  """Yields an entry for all layers that are alike at a site.

  Args:
    layers: with the options of each.
    depth: number of blocks of the backbone.
  """
  blocks: dict[tuple, set[int]] = {}
  order = lambda layer: (names.PLACES.index(layer.place), layer.block)
  for layer in sorted(layers, key=order):
    key = layer.site, layer.letter, layers[layer]
    blocks.setdefault(key, set()).add(layer.block)
  letters: dict[tuple, str] = {}
  for (site, letter, options), numbers in blocks.items():
    key = site, options, tuple(sorted(numbers))
    letters[key] = letters.get(key, '') + letter
  for (site, options, numbers), to in letters.items():
    entry = {'site': site, **dict(options)}
    if to:
      entry['to'] = to
    if numbers != tuple(range(depth)):
      entry['where'] = _where(numbers)
    yield entry


def _where(numbers: Sequence[int]) -> str:
  return f'encoderblock_({"|".join(map(str, numbers))})(/|$)'


def _fitted(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """Returns peft's array in our shape."""
  ours = value.T
  first = shape[:1] if '.lora_' in name else ours.shape[:1]
  if ours.size != int(np.prod(shape)) or ours.shape[:1] != first:
    raise ValueError(f'{name} is {value.shape}, for {shape}')
  return np.ascontiguousarray(ours.reshape(shape))
