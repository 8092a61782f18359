"""What transformers' config.json says of a model, read and written.

A `Kind` is one of its models, with the names of its fields. Where a file leaves
one out, its class's own default counts, as it does there.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from vidpetl.weights.errors import WeightsError

# Theirs -> fields of our backbones.
_FIELDS = {
  'hidden_size': 'width',
  'num_hidden_layers': 'depth',
  'num_attention_heads': 'heads',
  'intermediate_size': 'mlp',
  'layer_norm_eps': 'epsilon',
}
_ACTIVATIONS = {
  'gelu': 'gelu',
  'gelu_python': 'gelu',
  'gelu_pytorch_tanh': 'gelu_tanh',
  'gelu_fast': 'gelu_tanh',
  'gelu_new': 'gelu_tanh',
  'quick_gelu': 'quick_gelu',
  'silu': 'silu',
}
# Names that nobody gave: 'LABEL_0' and so on.
_NAMELESS = re.compile(r'^LABEL_\d+$')

CONFIG, PROCESSOR = 'config.json', 'preprocessor_config.json'
VIDEO_PROCESSOR = 'video_preprocessor_config.json'


@dataclasses.dataclass(frozen=True)
class Kind:
  """A model of transformers.

  Attributes:
    model_types: `model_type` of its configs.
    defaults: of its config's class, for what no array shows.
    plain: class of the backbone alone.
    classifier: class with a classifier that reads what ours does, '' if there
      is none.
    processor: class of its preprocessing.
    fixed: fields that our backbone does not have, and the values it computes
      with.
    flags: field -> the array whose presence it is.
    box: whether a tubelet is one field (t, h, w).
    moving: whether a clip is one input.
    names: usual name of a field -> what it is called there.
    ratio: whether it has an MLP's hidden width as `mlp_ratio`, of the width.
    factorised: whether space and time have a table of positions each.
    counts: field -> how names of arrays begin whose numbers it counts.
    clips: whether its preprocessing is one of videos.
    normalises: whether its preprocessing does more than to rescale pixels,
      whatever its file says.
    centred: whether its preprocessing subtracts 1 from the rescaled pixels.
    lead: positions of its table that are a class token's.
    fields: further fields of its configs -> ours.
    shown: the same, of what arrays show, so that they are not read.
    read: settings that several fields of a config make together.
    write: the other way round, from our fields.
    settings: from a config with all of `defaults` to all settings, for a model
      that is no ViT; its config is read alone, and not written.
  """

  model_types: tuple[str, ...]
  defaults: Mapping[str, Any]
  plain: str
  processor: str
  classifier: str = ''
  fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  flags: Mapping[str, str] = dataclasses.field(default_factory=dict)
  box: bool = False
  moving: bool = True
  names: Mapping[str, str] = dataclasses.field(default_factory=dict)
  ratio: bool = False
  factorised: bool = False
  counts: Mapping[str, str] = dataclasses.field(default_factory=dict)
  clips: bool = False
  normalises: bool = True
  centred: bool = False
  lead: int = 1
  fields: Mapping[str, str] = dataclasses.field(default_factory=dict)
  shown: Mapping[str, str] = dataclasses.field(default_factory=dict)
  read: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda config: {}
  write: Callable[[Mapping[str, Any]], dict[str, Any]] = lambda backbone: {}
  settings: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None

  @property
  def preprocessing(self) -> str:
    """Name of the file that says how pixels are prepared."""
    return VIDEO_PROCESSOR if self.clips else PROCESSOR

  def called(self, name: str) -> str:
    """Returns the name of a field there."""
    return self.names.get(name, name)


@dataclasses.dataclass(frozen=True)
class Model:
  """What is known of a model, besides its arrays.

  Attributes:
    backbone: all fields of `config.backbone`.
    mean: of pixels in [0, 1], per channel.
    std: their standard deviation.
    video: (frames, height, width) of its clips, () if that is not known.
    labels: what the outputs of its heads mean, by task.
  """

  backbone: Mapping[str, Any]
  mean: Sequence[float]
  std: Sequence[float]
  video: tuple[int, ...] = ()
  labels: Mapping[str, Mapping[int, str]] = dataclasses.field(
    default_factory=dict
  )


def said(kind: Kind) -> set[str]:
  """Returns fields of our backbones that the configs of a model say."""
  shown = {'summary'} if kind.flags else set()
  further = (*kind.fields.values(), *kind.shown.values())
  return {*_FIELDS.values(), *further, 'activation', *shown}


def read_settings(kind: Kind, config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns the settings (see `settings`) that a config.json stands for.

  Raises:
    WeightsError: for what our backbone does not compute.
  """
  if 'vision_config' in config:
    config = config['vision_config']
  whole = _usual(kind, {**kind.defaults, **config})
  if kind.settings:
    return kind.settings(whole)
  names = {**_FIELDS, **kind.fields}
  found = {
    ours: whole[theirs] for theirs, ours in names.items() if theirs in whole
  }
  activation = whole['hidden_act']
  if activation not in _ACTIVATIONS:
    raise WeightsError(
      f'hidden_act is {activation!r}; here there are {", ".join(_ACTIVATIONS)}'
    )
  found['activation'] = _ACTIVATIONS[activation]
  found |= kind.read(whole)
  for field, value in kind.fixed.items():
    said = found.pop(field)
    if not _same(said, value):
      raise WeightsError(
        f'it has {field}={said!r}, and the backbone here computes with '
        f'{field}={value!r}'
      )
  tubelet = _tubelet(kind, whole)
  found |= {'tubelet': tubelet} if kind.box else {}
  if not kind.box:
    found['patch'] = tubelet[1]
    found |= {'tubelet': tubelet[0]} if kind.moving else {}
  video = (
    whole['num_frames'] if kind.moving else 1,
    *_pair(whole['image_size']),
  )
  found['grid'] = tuple(size // part for size, part in zip(video, tubelet))
  return found


def _usual(kind: Kind, config: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a config with the usual names of fields."""
  found = {**config, **{n: config[at] for n, at in kind.names.items()}}
  if kind.ratio:
    # As its class rounds it.
    hidden = found['hidden_size'] * found['mlp_ratio']
    found['intermediate_size'] = int(hidden)
  return found


def _theirs(kind: Kind, config: dict[str, Any]) -> dict[str, Any]:
  """Returns a config with a kind's own names; the inverse of `_usual`."""
  found = {kind.called(name): value for name, value in config.items()}
  if kind.ratio:
    mlp, width = found.pop('intermediate_size'), found['hidden_size']
    ratio = mlp / width
    whole = int(width * ratio) == mlp
    found['mlp_ratio'] = ratio if whole else math.nextafter(ratio, math.inf)
  return found


def read_pixels(
  kind: Kind, config: Mapping[str, Any]
) -> dict[str, list[float]]:
  """Returns mean and std of pixels in [0, 1], {} if they are not said.

  Args:
    kind: of the model.
    config: preprocessor_config.json.
  """
  normalises = kind.normalises and config.get('do_normalize', True)
  if not normalises or 'image_mean' not in config:
    return {}
  # What they normalise is scale x - shift, and x is in [0, 1].
  scale, shift = _rescaled(kind, config)
  mean, std = (
    np.broadcast_to(np.asarray(config[f'image_{name}'], float), 3)
    for name in ('mean', 'std')
  )
  return {
    'mean': np.round((mean + shift) / scale, 7).tolist(),
    'std': np.round(std / scale, 7).tolist(),
  }


def _rescaled(kind: Kind, config: Mapping[str, Any]) -> tuple[float, float]:
  """Returns the factor and the shift of pixels before their mean."""
  factor = config.get('rescale_factor', 1 / (127.5 if kind.centred else 255))
  return 255.0 * factor, float(config.get('offset', kind.centred))


def read_labels(config: Mapping[str, Any]) -> dict[int, str]:
  """Returns what the outputs of a config's classifier mean, {} if unsaid."""
  found = {int(k): str(v) for k, v in (config.get('id2label') or {}).items()}
  nameless = all(_NAMELESS.match(label) for label in found.values())
  return {} if nameless else found


def write_config(
  kind: Kind,
  model: Model,
  head: str,
  outputs: int,
  shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, Any]:
  """Returns config.json of a model.

  Args:
    kind: of the model.
    model: what is known of it.
    head: task of the classifier, '' without one.
    outputs: of the classifier.
    shapes: of its arrays, by the family's names.

  Raises:
    WeightsError: if it does not say what the file needs.
  """
  backbone = {**model.backbone, **kind.fixed}
  config = {
    theirs: backbone[ours] for theirs, ours in {**_FIELDS, **kind.shown}.items()
  }
  names = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}
  config['hidden_act'] = names[backbone['activation']]
  config |= {t: backbone[o] for t, o in kind.fields.items() if o in backbone}
  config |= kind.write(backbone)
  config |= {field: name in shapes for field, name in kind.flags.items()}
  config |= {
    field: len(
      {n.removeprefix(start).split('.')[0] for n in shapes if start in n}
    )
    for field, start in kind.counts.items()
  }
  positions = 0 if kind.factorised else _positions(shapes)
  config |= _geometry(kind, model, positions)
  if head:
    labels = model.labels.get(head) or {}
    named = {i: labels.get(i, f'LABEL_{i}') for i in range(outputs)}
    config['id2label'] = {str(i): label for i, label in named.items()}
    config['label2id'] = {label: i for i, label in named.items()}
  return {
    'architectures': [kind.classifier if head else kind.plain],
    'model_type': kind.model_types[0],
    'dtype': 'float32',
    **_theirs(kind, config),
  }


def _positions(shapes: Mapping[str, tuple[int, ...]]) -> int:
  """Returns how many positions a table has, 0 if there is none."""
  tables = [s for name, s in shapes.items() if 'position_embedding' in name]
  return tables[0][-2] if tables else 0


def write_processor(kind: Kind, model: Model, side: int) -> dict[str, Any]:
  """Returns what the file `Kind.preprocessing` says of a model.

  Args:
    kind: of the model.
    model: what is known of it.
    side: of its frames, in pixels.
  """
  rescale = {'rescale_factor': 1 / 255}
  if kind.centred:
    # Its two classes shift alike only so.
    rescale = {'rescale_factor': 1 / 127.5, 'offset': True}
  scale, shift = _rescaled(kind, rescale)
  mean, std = (np.broadcast_to(x, 3) for x in (model.mean, model.std))
  what = 'video' if kind.clips else 'image'
  return {
    f'{what}_processor_type': kind.processor,
    'do_resize': True,
    'size': {'shortest_edge': side},
    'do_center_crop': True,
    'crop_size': {'height': side, 'width': side},
    'do_rescale': True,
    **rescale,
    'do_normalize': kind.normalises,
    'image_mean': np.round(mean * scale - shift, 7).tolist(),
    'image_std': np.round(std * scale, 7).tolist(),
  }


def _geometry(kind: Kind, model: Model, positions: int) -> dict[str, Any]:
  """Returns the fields for sizes of clips and tokens."""
  backbone = model.backbone
  if kind.box:
    tubelet = tuple(backbone['tubelet'])
    fields = {'tubelet_size': list(tubelet)}
  else:
    patch = backbone['patch']
    tubelet = (backbone['tubelet'] if kind.moving else 1, patch, patch)
    fields = {'patch_size': patch}
    fields |= {'tubelet_size': tubelet[0]} if kind.moving else {}
  frames, *sides = _video(kind, model, tubelet, positions)
  if kind.moving:
    fields['num_frames'] = frames
  if len(set(sides)) > 1:
    raise WeightsError(
      f'{kind.plain} is for square frames, and these are '
      f'{sides[0]} x {sides[1]}'
    )
  return {**fields, 'image_size': sides[0]}


def _video(kind, model, tubelet, positions) -> tuple[int, ...]:
  """Returns (frames, height, width) of the clips that arrays are for."""
  tokens = positions - kind.lead
  grid = tuple(size // part for size, part in zip(model.video, tubelet))
  if positions == 0 and model.video:
    return model.video
  if grid and math.prod(grid if kind.moving else grid[1:]) == tokens:
    return model.video
  side = math.isqrt(max(tokens, 0))
  if not kind.moving and positions and side * side == tokens:
    return (1, side * tubelet[1], side * tubelet[2])
  raise WeightsError(
    'nothing says of which clips it is: --grid=t,h,w, the tokens of one, does'
    + (f'; the table of positions has {tokens} of them' if positions else '')
  )


def _tubelet(kind: Kind, config: Mapping[str, Any]) -> tuple[int, int, int]:
  if kind.box:
    return tuple(config['tubelet_size'])
  patch = _pair(config['patch_size'])
  if patch[0] != patch[1]:
    raise WeightsError(f'patches of {patch[0]} x {patch[1]} pixels, not square')
  return (config['tubelet_size'] if kind.moving else 1, *patch)


def _pair(size: Any) -> tuple[int, int]:
  return (size, size) if isinstance(size, int) else tuple(size)


def _same(a: Any, b: Any) -> bool:
  return a == b or (
    isinstance(a, float) and isinstance(b, float) and math.isclose(a, b)
  )
