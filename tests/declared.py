"""Every part that a config builds, and the options that each declares."""

import inspect

from vidpetl import backbones, options, parts, tasks
from vidpetl.backbones import c3d, hiera, i3d, mvit, resnet3d, swin, vit, vivit
from vidpetl.data import (
  augment,
  clip_spec,
  datasets,
  framing,
  kinds,
  samplers,
  sources,
  subset,
)
from vidpetl.petl import techniques
from vidpetl.recipes import defaults
from vidpetl.tasks import distillation, probes

_FOLDERS = (
  (techniques, 'build'),
  (tasks, 'KIND'),
  (probes, 'build'),
  (backbones, 'build'),
  (sources, 'open'),
)
_MODELS = (
  *(vit.MAE, vit.DINOv2, vit.AugReg, vit.VideoMAE, vit.CLIP),
  *(vivit.FactorisedEncoder, vivit.FactorisedSelfAttention),
  *(c3d.C3D, i3d.I3D, resnet3d.ResNet3D, swin.Swin),
  *(hiera.Hiera, mvit.MViT),
)
# What is built beforehand, or given by the run.
_MADE = (
  *('dtype', 'info', 'plan', 'source', 'task', 'train', 'parent', 'name'),
  'probe',
)


def owners():
  """Returns name -> function or class whose parameters are options."""
  found = {}
  for folder, contract in _FOLDERS:
    for name in parts.names(folder, contract):
      part = parts.load(folder, name, contract, '')
      key = f'{folder.__name__.rpartition(".")[2]}.{name}'
      found[key] = getattr(part, 'build', None) or part.open
  found |= {f'backbones.{m.__name__}': m for m in _MODELS}
  for name in parts.names(samplers, 'SAMPLER'):
    found[f'samplers.{name}'] = samplers.load(name)
  for name in parts.names(kinds, 'KIND'):
    found[f'kinds.{name}'] = type(kinds.load(name))
  for name in datasets.names():
    if opened := datasets.find(name).open:
      found[f'datasets.{name}'] = opened
  found |= {'config': defaults.Config, 'group': defaults.Group}
  found |= defaults.SECTIONS
  found |= {'augment': augment.Augment, 'clip': clip_spec.ClipSpec}
  found |= {'framing': framing.Framing, 'subset': subset.take}
  return found | {'distill': distillation.Distilled}


def fields():
  """Yields (path, hint, default) of each option; `inspect`'s empty for none."""
  nested = {'train_clip', 'eval_clip', 'augment', 'sampler', 'kind', 'framing'}
  seen = set()
  for owner, function in owners().items():
    hints = options.hints(function)
    for name, default in options.fields(function).items():
      is_nested = name in nested and default is inspect.Parameter.empty
      key = name, str(hints.get(name)), str(default)
      if name in _MADE or is_nested or name in defaults.SECTIONS or key in seen:
        continue
      seen.add(key)
      yield f'{owner}.{name}', hints.get(name), default
