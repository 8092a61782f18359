"""LoRA and (IA)^3 in the files of Hugging Face's peft.

    base_model.model.<module>.lora_A.weight   [r, in]
    base_model.model.<module>.lora_B.weight   [out, r]
    base_model.model.<module>.ia3_l           [out, 1], or [1, in] of what the
                                              config calls feedforward_modules
    base_model.model.classifier.{weight, bias}

with the modules' names of transformers 5. Only the dense layers of models that
exist there have names; Video Swin is none of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from etils import epath

from vidpetl.parameters import package
from vidpetl.petl import qkv
from vidpetl.petl.techniques import lora

Entry = dict[str, Any]


def _named(q: str, k: str, v: str, o: str, fc1: str, fc2: str):
  """Returns place -> module; a place is a site of `site.DENSE`, or one of the
  three projections at attn_qkv."""
  projections = {'query': q, 'key': k, 'value': v}
  return {
    **{f'attn_qkv/{name}': module for name, module in projections.items()},
    'attn_proj': o,
    'mlp_fc1': fc1,
    'mlp_fc2': fc2,
  }


_CLIP = _named(
  *(f'self_attn.{x}_proj' for x in ('q', 'k', 'v', 'out')), 'mlp.fc1', 'mlp.fc2'
)
_VIDEOMAE = _named(
  *(f'attention.attention.{x}' for x in ('query', 'key', 'value')),
  'attention.output.dense',
  'intermediate.dense',
  'output.dense',
)
_VIVIT = _named(*(f'attention.{x}_proj' for x in 'qkvo'), 'mlp.fc1', 'mlp.fc2')
# Kind of model -> (module of block i, its dense layers).
NAMES = {
  'clip': ('encoder.layers.{}', _CLIP),
  'videomae': ('encoder.layer.{}', _VIDEOMAE),
  'vivit': ('layers.{}', _VIVIT),
}
# Sites in front of a layer -> the place behind it.
_BEFORE = {'attn_out': 'attn_proj', 'mlp_hidden': 'mlp_fc2'}
# What is learned here -> what peft calls it.
_PARTS = {'a': 'lora_A.weight', 'b': 'lora_B.weight', 'vector': 'ia3_l'}

_PATH = re.compile(
  r'^backbone/\w+/encoderblock_(\d+)/\w+/site_(\w+)/\w+/'
  r'(?:(query|key|value)_)?(a|b|vector)$'
)
_KEY = re.compile(
  r'\.layers?\.(\d+)\.([\w.]+?)\.(lora_A|lora_B|ia3_l)(?:\.default)?(\.weight)?$'
)
_CLASSIFIER = re.compile(r'\.classifier(?:\.modules_to_save)?\.(weight|bias)$')
# What peft may do beside the plain technique, and must not have done.
_PLAIN = {
  'bias': ('none',),
  'use_dora': (False, None),
  'use_rslora': (False, None),
  'lora_bias': (False, None),
  'rank_pattern': ({}, None),
  'alpha_pattern': ({}, None),
  'layers_to_transform': (None,),
  'exclude_modules': (None,),
  'fan_in_fan_out': (False,),
}


def kind_of(backbone: Mapping[str, Any]) -> str:
  """Returns the key of `NAMES` for `config.backbone`.

  Raises:
    ValueError: if transformers has no such model, or fused projections.
  """
  if backbone['name'] == 'vivit' and backbone.get('attention') == 'spacetime':
    return 'vivit'
  if backbone.get('kind') in NAMES:
    return backbone['kind']
  raise ValueError(
    f'peft has no names for layers of {dict(backbone)}: transformers has CLIP '
    "(vit, kind='clip'), VideoMAE (kind='videomae') and ViViT with "
    "attention='spacetime' alone"
  )


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
  kind = kind_of(packed.config['backbone'])
  pattern, names = NAMES[kind]
  entry = _only_technique(packed)
  arrays, blocks = {}, {}
  for path, value in packed.params.items():
    if match := _PATH.match(path):
      block, site, projection, part = match.groups()
      place = _place(site, projection)
      module = f'{prefix}{pattern.format(block)}.{names[place]}'
      name = f'base_model.model.{module}.{_PARTS[part]}'
      if name in arrays:
        raise ValueError(f'peft has one {name}, and this package two')
      arrays[name] = _theirs(value, part, site)
      blocks.setdefault((place, site in _BEFORE), set()).add(int(block))
  heads = _classifier(packed)
  arrays |= {f'base_model.model.classifier.{k}': v for k, v in heads.items()}
  config = {
    **_config(entry, kind, blocks),
    'modules_to_save': ['classifier'] if heads else None,
    'inference_mode': True,
    'base_model_name_or_path': None,
    'task_type': None,
  }
  out = epath.Path(folder)
  out.mkdir(parents=True, exist_ok=True)
  safetensors.numpy.save_file(arrays, out / package.MODEL)
  text = json.dumps(config, indent=2, sort_keys=True)
  (out / package.CONFIG).write_text(text + '\n', encoding='utf-8')
  return {name: array.shape for name, array in arrays.items()}


def _place(site: str, projection: str | None) -> str:
  site = _BEFORE.get(site, site)
  return f'{site}/{projection}' if projection else site


def _theirs(value: np.ndarray, part: str, site: str) -> np.ndarray:
  """Returns an array in peft's shape."""
  if part == 'vector':
    value = value.reshape((1, -1) if site in _BEFORE else (-1, 1))
  else:
    value = value.reshape(len(value), -1).T
  return np.ascontiguousarray(value)


def _config(
  entry: Mapping[str, Any],
  kind: str,
  blocks: Mapping[tuple[str, bool], Iterable[int]],
) -> Entry:
  """Returns peft's fields for an entry of `config.petl`.

  Args:
    entry: of one site; the others are alike.
    kind: of the model.
    blocks: (place, whether it is what the layer reads) -> numbers of blocks.
  """
  ordered = sorted(blocks, key=lambda x: list(NAMES[kind][1]).index(x[0]))
  targets = {key: _targets(kind, key[0], blocks[key]) for key in ordered}
  every = [target for found in targets.values() for target in found]
  if entry['technique'] == 'ia3':
    read = [
      t for (_, before), found in targets.items() for t in found if before
    ]
    return {
      'peft_type': 'IA3',
      'target_modules': every,
      'feedforward_modules': read,
    }
  return {
    'peft_type': 'LORA',
    'r': entry.get('rank', lora.LoRA.rank),
    'lora_alpha': entry.get('alpha', lora.LoRA.alpha),
    'lora_dropout': entry.get('dropout', lora.LoRA.dropout),
    'target_modules': every,
    'bias': 'none',
  }


def _targets(kind: str, place: str, blocks: Iterable[int]) -> list[str]:
  """Returns what peft finds a place's modules by, and no others."""
  pattern, names = NAMES[kind]
  words = names[place].split('.')
  for start in reversed(range(len(words))):
    target = '.'.join(words[start:])
    if [p for p, n in names.items() if f'.{n}'.endswith(f'.{target}')] == [
      place
    ]:
      return [target]
  # VideoMAE's fc2, output.dense, ends as its attention.output.dense does.
  return [f'{pattern.format(i)}.{names[place]}' for i in sorted(blocks)]


def _only_technique(packed: package.Package) -> Mapping[str, Any]:
  """Returns the first entry of a package of LoRA, or (IA)^3, alone."""
  entries = packed.config['petl']
  if packed.techniques not in (['lora'], ['ia3']):
    raise ValueError(
      f'peft has LoRA or (IA)^3; this package has {packed.techniques}'
    )
  options = [
    {k: v for k, v in e.items() if k in ('rank', 'alpha', 'dropout')}
    for e in entries
  ]
  sites = [e['site'] for e in entries]
  if len(set(sites)) < len(sites) or any(o != options[0] for o in options):
    raise ValueError(
      'peft has one rank, alpha and dropout for all layers, once each; this '
      f'package has {list(map(dict, entries))}'
    )
  rest = [
    path
    for path in packed.params
    if path.startswith('backbone/') and not _PATH.match(path)
  ]
  if rest:
    raise ValueError(f'peft has no place for {rest[0]}, which trained, too')
  return entries[0]


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
  kernel, bias = (packed.params[f'{head}/{k}'] for k in ('kernel', 'bias'))
  return {'weight': np.ascontiguousarray(kernel.T), 'bias': bias}


def read_config(folder: str) -> tuple[Entry, ...]:
  """Returns the entries of `config.petl` that a folder of peft's stands for.

  Raises:
    ValueError: if it is neither plain LoRA nor (IA)^3 of dense layers.
  """
  path = epath.Path(folder) / package.CONFIG
  if not path.is_file():
    raise ValueError(f'{path}: not found; it is part of what peft saves')
  config = json.loads(path.read_text(encoding='utf-8'))
  kind = config.get('peft_type')
  if kind not in ('LORA', 'IA3'):
    raise ValueError(f'{path}: peft_type {kind!r} is none of LORA, IA3')
  for field, plain in _PLAIN.items():
    if config.get(field, plain[0]) not in plain:
      raise ValueError(f'{path}: {field}={config[field]!r} is not supported')
  places = _places(config, 'target_modules', path)
  read = set()
  if kind == 'LORA':
    options = {
      'technique': 'lora',
      'rank': config['r'],
      'alpha': float(config['lora_alpha']),
      'dropout': config.get('lora_dropout', 0.0),
    }
  else:
    options = {'technique': 'ia3'}
    read = set(_places(config, 'feedforward_modules', path))
  return _entries(places, read, options)


def _entries(
  places: list[str], read: set[str], options: Entry
) -> tuple[Entry, ...]:
  """Returns an entry for each site.

  Args:
    places: where something was learned.
    read: of these, at what the layer reads.
    options: of all.
  """
  letters = {name: letter for letter, name in qkv.PROJECTIONS.items()}
  before = {place: site for site, place in _BEFORE.items()}
  if odd := sorted(read - set(before)):
    raise ValueError(f'(IA)^3 in front of {", ".join(odd)} has no site here')
  to = ''.join(letters[p.split('/')[1]] for p in places if '/' in p)
  entries = [{'site': 'attn_qkv', **options, 'to': to}] if to else []
  for place in places:
    if '/' not in place:
      site = before[place] if place in read else place
      entries.append({'site': site, **options})
  return tuple(entries)


def _places(config: Entry, field: str, path: epath.Path) -> list[str]:
  """Returns the places of a list of modules' names.

  Raises:
    ValueError: if it is no list, or has a name that is no dense layer's.
  """
  targets = config.get(field) or []
  if not isinstance(targets, list):
    raise ValueError(f'{path}: {field} {targets!r} is no list of modules')
  found = {target: _matched(target) for target in targets}
  if unknown := [target for target, places in found.items() if not places]:
    known = sorted({n for _, names in NAMES.values() for n in names.values()})
    raise ValueError(
      f'{path}: {field} {unknown} are no dense layers of a block; these are '
      + ', '.join(known)
    )
  every = set().union(*found.values())
  return [place for place in _CLIP if place in every]


def _matched(target: str) -> set[str]:
  """Returns the places that peft would find by a name, or the end of one."""
  target = '.' + re.sub(r'(?<=\.)\d+(?=\.)', '{}', target)
  found = set()
  for pattern, names in NAMES.values():
    for place, name in names.items():
      module = f'.{pattern}.{name}'
      if module.endswith(target) or target.endswith(module):
        found.add(place)
  return found


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
  file = epath.Path(folder) / package.MODEL
  arrays = safetensors.numpy.load_file(file)
  ours = {
    (int(m[1]), _place(m[2], m[3]), _PARTS[m[4]].split('.')[0]): path
    for path in shapes
    if (m := _PATH.match(path))
  }
  kernels = [p for p in shapes if p.endswith('output_projection/kernel')]
  places = {n: p for _, names in NAMES.values() for p, n in names.items()}
  found, unknown = {}, []
  for name, value in arrays.items():
    if match := _KEY.search(name):
      path = ours.get((int(match[1]), places.get(match[2]), match[3]))
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


def _fitted(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
  """Returns peft's array in our shape."""
  ours = value.T
  first = shape[:1] if '.lora_' in name else ours.shape[:1]
  if ours.size != int(np.prod(shape)) or ours.shape[:1] != first:
    raise ValueError(f'{name} is {value.shape}, for {shape}')
  return np.ascontiguousarray(ours.reshape(shape))
