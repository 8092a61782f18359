"""From peft's files.

Arrays say where something was learned, and with what rank: their names are
those of the layers, whatever list, regex or numbers of blocks chose them. The
config says the scale.

Plain LoRA and (IA)^3 are read as entries for the sites of a block. DoRA, and
what `starts` knows, need the weight of the layer, and are entries for `layer`.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from etils import epath

from vidpetl.experiment.peft import fields, names, starts
from vidpetl.parameters import package, sealed, storage

Entry = dict[str, Any]
Options = tuple[tuple[str, Any], ...]

_KEY = re.compile(
  r'^(?:base_model\.model\.)?((?:.+?\.)?layers?\.(\d+)\.([\w.]+?)|.+?)'
  r'\.(lora_A|lora_B|lora_magnitude_vector|ia3_l)(?:\.default)?(\.weight)?$'
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
    ValueError: if it is neither LoRA nor (IA)^3 of dense layers.
  """
  path, config = _config(folder)
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
  entries = _of_layers if _needs_weight(config) else _entries
  return tuple(entries(options, depth))


def _config(folder: str) -> tuple[epath.Path, Entry]:
  path = epath.Path(folder) / package.CONFIG
  if not path.is_file():
    raise ValueError(f'{path}: not found; it is part of what peft saves')
  return path, sealed.read(path)


def read(
  folder: str,
  shapes: Mapping[str, tuple[int, ...]],
  base: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
  """Reads what peft saved, under the paths that it has here.

  Args:
    folder: with peft's two files.
    shapes: path -> shape of the technique's parameters and of one head.
    base: path -> array of the backbone that it was trained on.

  Returns:
    Path -> array: all of the technique's, and the head's if it is there.

  Raises:
    ValueError: naming what is missing, left over or of another shape.
  """
  file, arrays = _load(folder)
  ours = {
    (m.block, m.place, names.PARTS[m.part].split('.')[0]): path
    for path in shapes
    if (m := names.learned(path))
  }
  kernels = [p for p in shapes if p.endswith('output_projection/kernel')]
  found, unknown, modules = {}, [], {}
  _, config = _config(folder)
  halved = config.get('init_lora_weights') in starts.KNOWN
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
      found[path] = _fitted(f'{file}: {name}', value, shapes[path], halved)
      modules[path.rpartition('/')[0]] = match[1]
  missing = sorted(set(ours.values()) - set(found))
  if missing or unknown:
    raise ValueError(f'{file}: missing {missing[:3]}, unknown {unknown[:3]}')
  for scope, module in modules.items():
    if f'{scope}/a' in found and '/site_layer/' in scope:
      kernel = base[f'{scope.partition("/site_layer/")[0]}/kernel']
      found |= _on_weight(config, scope, module, found, kernel)
  return found


def _on_weight(
  config: Entry,
  scope: str,
  module: str,
  found: Mapping[str, np.ndarray],
  kernel: np.ndarray,
) -> dict[str, np.ndarray]:
  """Returns what a file says of a layer, for the layer's weight as it is here.

  Args:
    config: peft's.
    scope: of the technique.
    module: what peft calls the layer.
    found: path -> array, as in the file.
    kernel: of the layer, [in, *out] or [heads, c, out].
  """
  a, b = found[f'{scope}/a'], found[f'{scope}/b']
  flat, rank = np.reshape(kernel, (len(a), -1)), a.shape[1]
  new, init = {}, config.get('init_lora_weights')
  if init in starts.KNOWN:
    scale = _scale(config, module, rank)
    a_start, b_start = starts.factors(init, flat, rank, scale)
    new[f'{scope}/a'] = np.concatenate([a, a_start.astype(a.dtype)], 1)
    taken = b_start.reshape(b.shape).astype(b.dtype)
    new[f'{scope}/b'] = np.concatenate([b, -taken])
  if (path := f'{scope}/magnitude') in found:
    length = np.linalg.norm(flat, axis=0).reshape(found[path].shape)
    new[path] = found[path] - length
  return new


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
  alpha = _alpha(config, layer.module)
  rslora = bool(config.get('use_rslora'))
  if config.get('init_lora_weights') in starts.KNOWN:
    # Twice the rank, at the same scale.
    rank, alpha = 2 * rank, alpha * (math.sqrt(2) if rslora else 2)
  return (
    technique,
    ('rank', rank),
    ('alpha', alpha),
    ('dropout', config.get('lora_dropout', 0.0)),
    ('rslora', rslora),
    ('dora', bool(config.get('use_dora'))),
  )


def _alpha(config: Entry, module: str) -> float:
  for pattern, value in (config.get('alpha_pattern') or {}).items():
    if re.match(rf'(.*\.)?({pattern})$', module):
      return float(value)
  return float(config['lora_alpha'])


def _scale(config: Entry, module: str, rank: int) -> float:
  root = math.sqrt if config.get('use_rslora') else float
  return _alpha(config, module) / root(rank)


def _needs_weight(config: Entry) -> bool:
  return config.get('peft_type') == names.LOW_RANK and bool(
    config.get('use_dora') or config.get('init_lora_weights') in starts.KNOWN
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


def _of_layers(layers: Mapping[_Layer, Options], depth: int) -> Iterable[Entry]:
  """Yields the same, for the site `layer`."""
  places: dict[tuple, list[str]] = {}
  blocks: dict[tuple, set[int]] = {}
  for layer, options in layers.items():
    blocks.setdefault((layer.place, options), set()).add(layer.block)
  for (place, options), numbers in blocks.items():
    key = options, tuple(sorted(numbers))
    places.setdefault(key, []).append(names.LAYER_OF[place])
  for (options, numbers), found in places.items():
    which = r'\d+' if len(numbers) == depth else '|'.join(map(str, numbers))
    where = f'encoderblock_({which})/.*({"|".join(sorted(found))})$'
    yield {'site': 'layer', **dict(options), 'where': where}


def _where(numbers: Sequence[int]) -> str:
  return f'encoderblock_({"|".join(map(str, numbers))})(/|$)'


def _fitted(
  name: str,
  value: np.ndarray,
  shape: tuple[int, ...],
  halved: bool = False,
) -> np.ndarray:
  """Returns peft's array in our shape; of half its rank, if that is said."""
  ours = value.T
  if halved and '.lora_A' in name:
    shape = (shape[0], shape[1] // 2)
  if halved and '.lora_B' in name:
    shape = (shape[0] // 2, *shape[1:])
  is_factor = '.lora_A' in name or '.lora_B' in name
  first = shape[:1] if is_factor else ours.shape[:1]
  if ours.size != int(np.prod(shape)) or ours.shape[:1] != first:
    raise ValueError(f'{name} is {value.shape}, for {shape}')
  return np.ascontiguousarray(ours.reshape(shape))
