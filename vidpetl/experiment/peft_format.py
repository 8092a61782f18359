"""LoRA in the files of Hugging Face's peft.

    base_model.model.<module>.lora_A.weight   [r, d]
    base_model.model.<module>.lora_B.weight   [d, r]
    base_model.model.classifier.{weight, bias}

with the modules' names of transformers 5. Only attention's queries, keys and
values of models that exist there have names; Video Swin is none of them.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors.numpy

from vidpetl.parameters import package
from vidpetl.petl import qkv
from vidpetl.petl.techniques import lora

_Q_PROJ = {'query': 'q_proj', 'key': 'k_proj', 'value': 'v_proj'}
_QUERY = {'query': 'query', 'key': 'key', 'value': 'value'}
# Kind of model -> (module of block i, names of its projections).
NAMES = {
  'clip': ('encoder.layers.{}.self_attn', _Q_PROJ),
  'videomae': ('encoder.layer.{}.attention.attention', _QUERY),
  'vivit': ('layers.{}.attention', _Q_PROJ),
}
_LETTERS = {name: letter for letter, name in qkv.PROJECTIONS.items()}
_SCOPE = re.compile(
  r'^backbone/(\w+)/encoderblock_(\d+)/\w+/site_attn_qkv/\w+/(\w+)_([ab])$'
)
_KEY = re.compile(
  r'\.layers?\.(\d+)\.(?:\w+\.)*(q_proj|k_proj|v_proj|query|key|value)'
  r'\.lora_([AB])(?:\.default)?\.weight$'
)
_CLASSIFIER = re.compile(r'\.classifier(?:\.modules_to_save)?\.(weight|bias)$')
# What peft may do beside plain LoRA, and must not have done.
_PLAIN = {
  'bias': ('none',),
  'use_dora': (False, None),
  'use_rslora': (False, None),
  'lora_bias': (False, None),
  'rank_pattern': ({}, None),
  'alpha_pattern': ({}, None),
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
    f'peft has no names for LoRA on {dict(backbone)}: transformers has CLIP '
    "(vit, kind='clip'), VideoMAE (kind='videomae') and ViViT with "
    "attention='spacetime' alone"
  )


def write(
  folder: str, packed: package.Package, prefix: str = ''
) -> dict[str, tuple[int, ...]]:
  """Writes a package as peft does.

  Args:
    folder: for adapter_config.json and adapter_model.safetensors.
    packed: whose one technique is LoRA.
    prefix: of module names, e.g. 'videomae.' in a model with a classifier.

  Returns:
    Name -> shape of what was written.

  Raises:
    ValueError: if it is not LoRA alone, or of a model without names.
  """
  pattern, names = NAMES[kind_of(packed.config['backbone'])]
  entry = _only_lora(packed)
  arrays = {}
  for path, value in packed.params.items():
    if match := _SCOPE.match(path):
      _, block, projection, part = match.groups()
      module = f'{prefix}{pattern.format(block)}.{names[projection]}'
      name = f'base_model.model.{module}.lora_{part.upper()}.weight'
      flat = value if part == 'a' else value.reshape(len(value), -1)
      arrays[name] = np.ascontiguousarray(flat.T)
  heads = _classifier(packed)
  arrays |= {f'base_model.model.classifier.{k}': v for k, v in heads.items()}
  to = entry.get('to', lora.LoRA.to)
  config = {
    'peft_type': 'LORA',
    'r': entry.get('rank', lora.LoRA.rank),
    'lora_alpha': entry.get('alpha', lora.LoRA.alpha),
    'lora_dropout': entry.get('dropout', lora.LoRA.dropout),
    'target_modules': [names[qkv.PROJECTIONS[c]] for c in 'qkv' if c in to],
    'modules_to_save': ['classifier'] if heads else None,
    'bias': 'none',
    'inference_mode': True,
    'base_model_name_or_path': None,
    'task_type': None,
  }
  out = pathlib.Path(folder)
  out.mkdir(parents=True, exist_ok=True)
  safetensors.numpy.save_file(arrays, out / package.MODEL)
  text = json.dumps(config, indent=2, sort_keys=True)
  (out / package.CONFIG).write_text(text + '\n', encoding='utf-8')
  return {name: array.shape for name, array in arrays.items()}


def _only_lora(packed: package.Package) -> Mapping[str, Any]:
  if packed.techniques != ['lora'] or len(packed.config['petl']) != 1:
    raise ValueError(
      f'peft has LoRA, bound once; this package has {packed.techniques}'
    )
  own = [
    path
    for path in packed.params
    if path.startswith('backbone/') and not _SCOPE.match(path)
  ]
  if own:
    raise ValueError(f'peft has no place for {own[0]}, which trained, too')
  return packed.config['petl'][0]


def _classifier(packed: package.Package) -> dict[str, np.ndarray]:
  """Returns the head of the one task, if it is a linear classifier."""
  tasks = packed.config['tasks']
  if len(tasks) != 1:
    raise ValueError(f'peft has one classifier; this has {list(tasks)}')
  head = f'heads_{next(iter(tasks))}/output_projection'
  if f'{head}/kernel' not in packed.params:
    return {}
  kernel, bias = (packed.params[f'{head}/{k}'] for k in ('kernel', 'bias'))
  return {'weight': np.ascontiguousarray(kernel.T), 'bias': bias}


def read_config(folder: str) -> dict[str, Any]:
  """Returns the entry of `config.petl` that a folder of peft's stands for.

  Raises:
    ValueError: if it is not plain LoRA of queries, keys and values.
  """
  path = pathlib.Path(folder) / package.CONFIG
  if not path.is_file():
    raise ValueError(f'{path}: not found; it is part of what peft saves')
  config = json.loads(path.read_text(encoding='utf-8'))
  if config.get('peft_type') != 'LORA':
    raise ValueError(f'{path}: peft_type {config.get("peft_type")!r}, not LORA')
  for field, plain in _PLAIN.items():
    if config.get(field, plain[0]) not in plain:
      raise ValueError(f'{path}: {field}={config[field]!r} is not supported')
  letters = {v: _LETTERS[k] for n in (_Q_PROJ, _QUERY) for k, v in n.items()}
  targets = config['target_modules']
  if not isinstance(targets, list) or set(targets) - set(letters):
    raise ValueError(
      f'{path}: target_modules {targets!r}; queries, keys and values alone '
      f'have a place here: {", ".join(letters)}'
    )
  found = {letters[target] for target in targets}
  return {
    'site': 'attn_qkv',
    'technique': 'lora',
    'rank': config['r'],
    'alpha': float(config['lora_alpha']),
    'to': ''.join(c for c in 'qkv' if c in found),
    'dropout': config.get('lora_dropout', 0.0),
  }


def read(
  folder: str, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
  """Reads what peft saved, under the paths that it has here.

  Args:
    folder: with peft's two files.
    shapes: path -> shape of LoRA's parameters and of one head.

  Returns:
    Path -> array: all of LoRA's, and the head's if it is there.

  Raises:
    ValueError: naming what is missing, left over or of another shape.
  """
  file = pathlib.Path(folder) / package.MODEL
  arrays = safetensors.numpy.load_file(file)
  ours = {
    (int(m[2]), m[3], m[4]): path
    for path in shapes
    if (m := _SCOPE.match(path))
  }
  kernels = [p for p in shapes if p.endswith('output_projection/kernel')]
  theirs = {v: k for n in (_Q_PROJ, _QUERY) for k, v in n.items()}
  found, unknown = {}, []
  for name, value in arrays.items():
    if match := _KEY.search(name):
      block, projection, part = match.groups()
      path = ours.get((int(block), theirs[projection], part.lower()))
    elif (match := _CLASSIFIER.search(name)) and len(kernels) == 1:
      part = {'weight': 'kernel', 'bias': 'bias'}[match[1]]
      path = kernels[0].removesuffix('kernel') + part
    else:
      path = None
    if path is None:
      unknown.append(name)
    else:
      found[path] = _fitted(f'{file}: {name}', value.T, shapes[path])
  missing = sorted(set(ours.values()) - set(found))
  if missing or unknown:
    raise ValueError(f'{file}: missing {missing[:3]}, unknown {unknown[:3]}')
  return found


def _fitted(name, value, shape) -> np.ndarray:
  if value.size != int(np.prod(shape)) or value.shape[0] != shape[0]:
    raise ValueError(f'{name} is {value.shape[::-1]}, for {shape}')
  return np.ascontiguousarray(value.reshape(shape))
