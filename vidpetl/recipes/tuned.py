"""Tuned models as their authors published them: `method=aim:ssv2_b16`.

A tuned model is a method with its options (`vidpetl.recipes.methods`), and what
belongs to it of the backbone, of the head and of clips. Whatever it says is a
default: options and fields of a config may be set to others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import ml_collections

from vidpetl.recipes import presets

# Fields of a head that configs have as arguments.
HEAD = ('norm', 'dropout')


@dataclasses.dataclass(frozen=True)
class Tuned:
  """A tuned model, or a method by itself.

  Attributes:
    method: which it is of.
    title: for people.
    preset: the backbone that it was tuned from; '' of a method by itself.
    options: of the method, where they differ from its defaults.
    trained: regexes of the backbone's parameters that train, too.
    backbone: fields of `config.backbone`, likewise.
    head: fields of the task that classifies, likewise.
    clip: fields of its clips, likewise.
    dataset: whose classes it knows.
  """

  method: str
  title: str = ''
  preset: str = ''
  options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  trained: tuple[str, ...] = ()
  backbone: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  head: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  clip: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  dataset: str = ''


def _st_adapter(title: str, dataset: str, **more: Any) -> Tuned:
  return Tuned(
    'st_adapter',
    f'ST-Adapter, CLIP ViT-B/16, {title}',
    'clip_b16',
    backbone={'summary': 'mean_norm'},
    head={'dropout': 0.5, 'initial': 'normal_0.02'},
    dataset=dataset,
    **more,
  )


def _aim(title: str, dataset: str, preset: str = 'clip_b16', **more: Any):
  """Returns a model of AIM.

  All leave out their adapters' paths alone, at a rate of 0.2, and no branch of
  the backbone.
  """
  options = {'drop_path': 0.2, **more.pop('options', {})}
  return Tuned(
    'aim',
    f'AIM, CLIP {title}',
    preset,
    options=options,
    head={'dropout': 0.5, 'initial': 'normal', **more.pop('head', {})},
    dataset=dataset,
    **more,
  )


def _adaptformer(title: str, preset: str, dataset: str = '', **more: Any):
  """Returns a model of AdaptFormer, which reads the stream before LayerNorm."""
  return Tuned(
    'adaptformer',
    f'AdaptFormer-64, {title}',
    preset,
    options={'site': 'mlp_residual', **more.pop('options', {})},
    head={'norm': 'batch', 'initial': 'normal'},
    dataset=dataset,
    **more,
  )


_DENSE = {'frames': 8, 'stride': 16}
_SEGMENTS = {'frames': 8, 'sampling': 'segments', 'rounded': True}
# Two temporal adapters a block, and adapters beside the MLP at full scale.
_ORDER = {'inner': True, 'scale': 1.0}
_SSV2 = 'something_something_v2'
# The last LayerNorm.
_NORM = ('^backbone/norm/',)

TUNED = {
  'st_adapter:k400_b16': _st_adapter(
    'Kinetics-400', 'kinetics400', options={'per_block': 1}, clip=_DENSE
  ),
  'st_adapter:ssv2_b16': _st_adapter(
    'Something-Something v2', _SSV2, options={'per_block': 2}, clip=_SEGMENTS
  ),
  'aim:k400_b16': _aim('ViT-B/16, Kinetics-400', 'kinetics400', clip=_DENSE),
  'aim:k400_l14': _aim(
    'ViT-L/14, Kinetics-400', 'kinetics400', 'clip_l14', clip=_DENSE
  ),
  'aim:ssv2_b16': _aim(
    'ViT-B/16, Something-Something v2',
    _SSV2,
    options=_ORDER,
    head={'label_smoothing': 0.1},
    clip=_SEGMENTS,
  ),
  # Its released config has one temporal adapter; the 50 million parameters of
  # its paper, which MST-Adapter quotes, are those of two.
  'aim:ssv2_l14': _aim(
    'ViT-L/14, Something-Something v2',
    _SSV2,
    'clip_l14',
    options=_ORDER,
    head={'label_smoothing': 0.1},
    clip=_SEGMENTS,
  ),
  'aim:diving48_b16': _aim(
    'ViT-B/16, Diving48',
    'diving48',
    clip={**_SEGMENTS, 'frames': 32},
  ),
  'adaptformer:ssv2': _adaptformer(
    'VideoMAE ViT-B, Something-Something v2',
    'videomae_b',
    _SSV2,
    trained=_NORM,
    clip={'frames': 8, 'stride': 4},
  ),
  'adaptformer:hmdb51': _adaptformer(
    'VideoMAE ViT-B, HMDB51',
    'videomae_b',
    'hmdb51',
    trained=_NORM,
    clip={'frames': 8, 'stride': 4},
  ),
  'adaptformer:images': _adaptformer(
    'MAE ViT-B, images',
    'mae_b',
    options={'dropout': 0.1},
    backbone={'summary': 'cls'},
    clip={'frames': 1},
  ),
}


def names(method: str) -> list[str]:
  """Returns the names of a method's tuned models."""
  return [name for name, known in TUNED.items() if known.method == method]


def find(method: str) -> Tuned:
  """Returns a tuned model 'method:model', or a method by itself.

  Raises:
    ValueError: if the method has no such model, with those it has.
  """
  base, named, _ = method.partition(':')
  if not named:
    return Tuned(method)
  if method not in TUNED:
    known = ', '.join(names(base)) or 'none'
    raise ValueError(f'method {method!r} is no tuned model: there are {known}')
  return TUNED[method]


def defaults(method: str, known: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a config's arguments, with a tuned model's as their defaults.

  Args:
    method: a tuned model, or a method by itself, which changes nothing.
    known: `backbone`, `head_norm`, `head_dropout` and others, with defaults.
  """
  found = find(method)
  head = {f'head_{k}': found.head[k] for k in HEAD if k in found.head}
  backbone = found.preset or known['backbone']
  return {**known, 'backbone': backbone, **head}


def apply(config: ml_collections.ConfigDict, method: str, **head: Any) -> None:
  """Sets what a tuned model has of backbone and heads.

  Args:
    config: to change, with its backbone and its tasks.
    method: a tuned model, or a method by itself, which changes nothing.
    **head: fields of heads in place of the model's.

  Raises:
    ValueError: for a backbone of another kind.
  """
  found = find(method)
  if not found.preset:
    return
  kind = {k: presets.find(found.preset).fields.get(k) for k in ('name', 'kind')}
  if {k: config.backbone.get(k) for k in kind} != kind:
    raise ValueError(
      f'method={method} is of backbone={found.preset}; on others, give '
      f'method={found.method} and its options'
    )
  config.backbone.update(found.backbone)
  for task in config.tasks.values():
    if task.task == 'classification':
      task.update({**found.head, **head})
