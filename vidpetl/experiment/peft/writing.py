"""To peft's files."""

from __future__ import annotations

import collections
import json
import os
import re
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from etils import epath

from vidpetl import backbones, durable
from vidpetl.experiment.peft import names
from vidpetl.parameters import package, storage
from vidpetl.petl.techniques import lora

Entry = Mapping[str, Any]


def write(
  folder: str, packed: package.Package, prefix: str = ''
) -> dict[str, tuple[int, ...]]:
  """Writes a package as peft does.

  Args:
    folder: for adapter_config.json and adapter_model.safetensors.
    packed: whose one technique is LoRA or (IA)^3.
    prefix: of module names, e.g. 'videomae.' in a model with a classifier.

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
    if match := names.PATH.match(path):
      block, site, projection, part = match.groups()
      place = names.place(site, projection)
      module = f'{prefix}{pattern.format(block)}.{layers[place]}'
      name = f'base_model.model.{module}.{names.PARTS[part]}'
      if name in arrays:
        raise ValueError(f'peft has one {name}, and this package two')
      arrays[name] = _theirs(value, part, site)
      modules[module] = _entry_of(packed, path, site, projection)
      blocks.setdefault((place, site in names.BEFORE), set()).add(int(block))
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
  rates = {e.get('dropout', 0.0) for e in packed.config['petl']}
  if len(rates) > 1:
    raise ValueError(
      f'peft has one dropout for all layers; this package has {sorted(rates)}'
    )
  rest = [
    path
    for path in packed.params
    if path.startswith('backbone/') and not names.PATH.match(path)
  ]
  if rest:
    raise ValueError(f'peft has no place for {rest[0]}, which trained, too')


def _entry_of(
  packed: package.Package, path: str, site: str, projection: str | None
) -> Entry:
  """Returns the entry of `config.petl` that has bound a parameter."""
  parent = path.partition(f'/site_{site}/')[0].removeprefix('backbone/')
  letter = names.LETTERS.get(projection, '')
  return next(
    entry
    for entry in packed.config['petl']
    if entry['site'] == site
    and letter in entry.get('to', 'qkv')
    and re.search(entry.get('where', ''), parent)
  )


def _theirs(value: np.ndarray, part: str, site: str) -> np.ndarray:
  """Returns an array in peft's shape."""
  if part == 'vector':
    value = value.reshape((1, -1) if site in names.BEFORE else (-1, 1))
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
  }


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
