"""Folders that transformers' from_pretrained takes."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from etils import epath

from vidpetl import durable
from vidpetl.parameters import storage
from vidpetl.weights import hugging_face
from vidpetl.weights.errors import WeightsError

ARRAYS = 'model.safetensors'


def write(
  kind: hugging_face.Kind,
  folder: str,
  arrays: Mapping[str, np.ndarray],
  model: hugging_face.Model | None,
  head: str,
) -> list[str]:
  """Writes arrays, config.json and what says how pixels are prepared.

  Args:
    kind: of the model.
    folder: to write.
    arrays: under the names of its class.
    model: what is known of it.
    head: task of the classifier, '' without one.

  Returns:
    Notes: how it is loaded, and what it does not hold.

  Raises:
    WeightsError: if it is not known what config.json has to say.
  """
  if model is None:
    raise WeightsError(
      'nothing says which backbone these arrays are for, which config.json '
      'needs: give the run, its package, or a file of vidpetl convert'
    )
  outputs = len(arrays.get('classifier.bias', ())) if head else 0
  shapes = {name: array.shape for name, array in arrays.items()}
  config = hugging_face.write_config(kind, model, head, outputs, shapes)
  side = config[kind.called('image_size')]
  processor = hugging_face.write_processor(kind, model, side)
  out = epath.Path(folder)
  out.mkdir(parents=True, exist_ok=True)
  storage.save_arrays(str(out / ARRAYS), arrays, {'format': 'pt'})
  for name, fields in {
    hugging_face.CONFIG: config,
    kind.preprocessing: processor,
  }.items():
    text = json.dumps(fields, indent=2)
    durable.write(out / name, text + '\n')
  notes = [f'transformers: {config["architectures"][0]}.from_pretrained']
  if not kind.classifier:
    notes.append(f'{kind.plain} has no head; ours reads its pooler_output')
  elif not head:
    notes.append('without a head; --head=<task> takes one')
  return notes
