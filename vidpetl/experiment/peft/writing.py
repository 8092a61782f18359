"""To peft's files."""

from __future__ import annotations

import collections
import json
import math
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from etils import epath

from vidpetl import backbones, durable
from vidpetl.experiment.peft import names
from vidpetl.parameters import package, storage
from vidpetl.petl import adapted
from vidpetl.petl.techniques import lora

Entry = Mapping[str, Any]


def write(
  folder: str,
  packed: package.Package,
  prefix: str = '',
  base: Mapping[str, np.ndarray] | None = None,
) -> dict[str, tuple[int, ...]]:
  """Writes a package as peft does.

  Args:
    folder: for adapter_config.json and adapter_model.safetensors.
    packed: whose one technique is LoRA or (IA)^3.
    prefix: of module names, e.g. 'videomae.' in a model with a classifier.
    base: path -> array of the backbone; DoRA needs it.

  Returns:
    Name -> shape of what was written.

  Raises:
    ValueError: if it has anything else, or is of a model without names.
  """
  kind = names.kind_of(packed.config['backbone'])
  pattern, layers = names.NAMES[kind]
  _check(packed)
  arrays, modules, blocks = {}, {}, {}
  for path, value in packed.params.items():
    if learned := names.learned(path):
      place, site = learned.place, learned.site
      module = f'{prefix}{pattern.format(learned.block)}.{layers[place]}'
      name = f'base_model.model.{module}.{names.PARTS[learned.part]}'
      if name in arrays:
        raise ValueError(f'peft has one {name}, and this package two')
      if learned.part == 'magnitude':
        value = value + _lengths(path, value.shape, base)
      arrays[name] = _theirs(value, learned.part, site)
      modules[module] = _entry_of(packed, path, learned)
      blocks.setdefault((place, site in names.BEFORE), set()).add(learned.block)
  heads = _classifier(packed)
  arrays |= {f'base_model.model.classifier.{k}': v for k, v in heads.items()}
  depth = backbones.build(packed.config['backbone']).depth
  config = {
    **_technique(packed, modules, _targets(kind, blocks, depth)),
    'modules_to_save': ['classifier'] if heads else None,
    'inference_mode': True,
    'base_model_name_or_path': None,
    'task_type': None,
  }
  out = epath.Path(folder)
  out.mkdir(parents=True, exist_ok=True)
  storage.save_arrays(os.fspath(out / package.MODEL), arrays, {'format': 'pt'})
  text = json.dumps(config, indent=2, sort_keys=True)
  durable.write(out / package.CONFIG, text + '\n')
  return {name: array.shape for name, array in arrays.items()}


def _check(packed: package.Package) -> None:
  """Raises ValueError unless a package is of LoRA, or (IA)^3, alone."""
  if packed.techniques not in [[t] for t in names.TECHNIQUES.values()]:
    raise ValueError(
      f'peft has LoRA or (IA)^3; this package has {packed.techniques}'
    )
  for field, default in (('dropout', 0.0), ('dora', False)):
    values = {e.get(field, default) for e in packed.config['petl']}
    if len(values) > 1:
      raise ValueError(
        f'peft has one {field} for all layers; this package has '
        f'{sorted(values)}'
      )
  rest = [
    path
    for path in packed.params
    if path.startswith('backbone/') and not names.learned(path)
  ]
  if rest:
    raise ValueError(f'peft has no place for {rest[0]}, which trained, too')


def _entry_of(
  packed: package.Package, path: str, learned: names.Learned
) -> Entry:
  """Returns the entry of `config.petl` that has bound a parameter.

  Its options are those that it has at the path.
  """
  site = learned.site
  parent = path.partition(f'/site_{site}/')[0].removeprefix('backbone/')
  letter = '' if site == 'layer' else learned.letter
  found = next(
    entry
    for entry in packed.config['petl']
    if entry['site'] == site
    and letter in entry.get('to', 'qkv')
    and re.search(entry.get('where', ''), parent)
  )
  here = adapted.options_at(found.get('per', ()), parent)
  return {**found, **here}


def _lengths(
  path: str, shape: tuple[int, ...], base: Mapping[str, np.ndarray] | None
) -> np.ndarray:
  """Returns how long the columns of a layer's weight are.

  Raises:
    ValueError: without a backbone.
  """
  name = f'{path.partition("/site_layer/")[0]}/kernel'
  if name not in (base or {}):
    raise ValueError(
      f"DoRA's magnitudes in peft's files are those of {name}: name the "
      'backbone, --backbone=…'
    )
  kernel = np.asarray(base[name], np.float32)
  return np.linalg.norm(kernel.reshape(-1, *shape), axis=0)


def _theirs(value: np.ndarray, part: str, site: str) -> np.ndarray:
  """Returns an array in peft's shape."""
  if part == 'vector':
    value = value.reshape((1, -1) if site in names.BEFORE else (-1, 1))
  elif part == 'magnitude':
    value = value.reshape(-1)
  else:
    value = value.reshape(len(value), -1).T
  return np.ascontiguousarray(value)


def _technique(
  packed: package.Package,
  modules: Mapping[str, Entry],
  targets: Mapping[tuple[str, bool], list[str]],
) -> dict[str, Any]:
  """Returns peft's fields for what a package has bound.

  Args:
    packed: of one technique.
    modules: name of a layer -> the entry that has bound it.
    targets: (place, whether it is what the layer reads) -> targets.
  """
  every = [target for found in targets.values() for target in found]
  if packed.techniques == [names.TECHNIQUES[names.VECTORS]]:
    read = [
      t for (_, before), found in targets.items() for t in found if before
    ]
    return {
      'peft_type': names.VECTORS,
      'target_modules': every,
      'feedforward_modules': read,
    }
  rank, ranks = _usual(modules, 'rank', lora.LoRA.rank)
  kinds = {e.get('rslora', False) for e in modules.values()}
  if len(kinds) > 1:
    modules = {name: _of_rank(entry) for name, entry in modules.items()}
  alpha, alphas = _usual(modules, 'alpha', lora.LoRA.alpha)
  entry = packed.config['petl'][0]
  return {
    'peft_type': names.LOW_RANK,
    'r': rank,
    'rank_pattern': ranks,
    'lora_alpha': alpha,
    'alpha_pattern': alphas,
    'lora_dropout': entry.get('dropout', lora.LoRA.dropout),
    'target_modules': every,
    'bias': 'none',
    'use_rslora': kinds == {True},
    'use_dora': entry.get('dora', False),
  }


def _of_rank(entry: Entry) -> Entry:
  """Returns an entry with an alpha over r of the same scale."""
  if not entry.get('rslora'):
    return entry
  rank = entry.get('rank', lora.LoRA.rank)
  alpha = entry.get('alpha', lora.LoRA.alpha) * math.sqrt(rank)
  return {**entry, 'alpha': alpha}


def _usual(
  modules: Mapping[str, Entry], option: str, default: float
) -> tuple[float, dict[str, float]]:
  """Returns the value that most layers have, and those of the others."""
  values = {m: entry.get(option, default) for m, entry in modules.items()}
  usual = collections.Counter(values.values()).most_common(1)[0][0]
  return usual, {m: v for m, v in values.items() if v != usual}


def _targets(
  kind: str, blocks: Mapping[tuple[str, bool], Collection[int]], depth: int
) -> dict[tuple[str, bool], list[str]]:
  """Returns what peft finds the layers by, and no others."""
  pattern, layers = names.NAMES[kind]
  found = {}
  for key in sorted(blocks, key=lambda key: names.PLACES.index(key[0])):
    name = layers[key[0]]
    end = _unique_end(kind, key[0]) if len(blocks[key]) == depth else ''
    found[key] = (
      [end]
      if end
      else [f'{pattern.format(i)}.{name}' for i in sorted(blocks[key])]
    )
  return found


def _unique_end(kind: str, place: str) -> str:
  """Returns the shortest end of a layer's name that is no other's, or ''.

  VideoMAE's fc2, output.dense, ends as its attention.output.dense does.
  """
  layers = names.NAMES[kind][1]
  words = layers[place].split('.')
  for start in reversed(range(len(words))):
    end = '.'.join(words[start:])
    if [p for p, n in layers.items() if f'.{n}'.endswith(f'.{end}')] == [place]:
      return end
  return ''


def _classifier(packed: package.Package) -> dict[str, np.ndarray]:
  """Returns the head of the one task, if it is a linear classifier."""
  tasks = packed.config['tasks']
  if len(tasks) != 1:
    raise ValueError(f'peft has one classifier; this has {list(tasks)}')
  head = f'heads_{next(iter(tasks))}/output_projection'
  if f'{head}/kernel' not in packed.params:
    return {}
  (task,) = tasks.values()
  if (norm := task['options'].get('norm', 'none')) != 'none':
    raise ValueError(f'peft has no place for norm={norm!r} before a classifier')
  if kind := (task['options'].get('probe') or {}).get('kind'):
    raise ValueError(f'peft has no place for a probe ({kind}) before one')
  kernel, bias = (packed.params[f'{head}/{k}'] for k in ('kernel', 'bias'))
  return {'weight': np.ascontiguousarray(kernel.T), 'bias': bias}
