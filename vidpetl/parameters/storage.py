"""Files of arrays by name: a model's, as `parameters.variables` names them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
import safetensors.numpy
from etils import epath
from jax.experimental import multihost_utils

from vidpetl.data import opening
from vidpetl.parameters import variables

SUFFIX = '.safetensors'

# As safetensors calls them.
_DTYPES = {
  'float64': 'F64',
  'float32': 'F32',
  'float16': 'F16',
  'bfloat16': 'BF16',
  'int64': 'I64',
  'int32': 'I32',
  'uint32': 'U32',
  'int8': 'I8',
  'uint8': 'U8',
  'bool': 'BOOL',
}


def load_arrays(path: str) -> dict[str, np.ndarray]:
  """Returns all of another run's model, named as by `petl.variables`.

  Args:
    path: a working directory (its latest checkpoint), one checkpoint of it:
      '<workdir>/checkpoints/<step>', or a file of `save_arrays`.

  Raises:
    ValueError: if there is no checkpoint, or it froze parameters that it
      does not hold.
  """
  if path.endswith(SUFFIX):
    if not epath.Path(path).exists():
      raise ValueError(f'{path}: no such file.')
    opening.regular(path)
    try:
      # What is mapped would be in memory beside what is read from it.
      return safetensors.numpy.load_file(path, backend='pread')
    except Exception as error:  # the library has several for a damaged file
      raise ValueError(f'{path}: {error}') from None
  folder = checkpoint_folder(path)
  if not (folder / 'state').exists():
    raise ValueError(
      f'{path} is neither a working directory with '
      f'checkpoints, nor one of its checkpoints, nor a {SUFFIX} file.'
    )
  if read_meta(path)['frozen']:
    raise ValueError(
      f'{folder} trained on top of frozen parameters, which it does not hold: '
      'let config.init.path be what it started from, and config.init.adapter '
      "the folder 'adapter' that it wrote."
    )
  return load_changing(path)


def load_changing(path: str) -> dict[str, np.ndarray]:
  """Returns what a checkpoint holds of a model: all that is not frozen.

  Args:
    path: a working directory (its latest checkpoint), or one checkpoint of it.
  """
  folder = checkpoint_folder(path)
  handler = ocp.PyTreeCheckpointHandler()
  with ocp.Checkpointer(handler) as checkpointer:
    shapes = checkpointer.metadata(folder / 'state').item_metadata.tree
    as_numpy = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes
    )
    tree = checkpointer.restore(
      folder / 'state',
      args=ocp.args.PyTreeRestore(item=shapes, restore_args=as_numpy),
    )
  return variables.flatten(tree)


def checkpoint_folder(path: str) -> epath.Path:
  """Returns the checkpoint that a path means, which need not be there.

  Args:
    path: a working directory, whose latest it is, or a checkpoint.
  """
  folder = epath.Path(path).absolute()
  if (folder / 'checkpoints').exists():
    steps = [p for p in (folder / 'checkpoints').iterdir() if p.name.isdigit()]
    if steps:
      folder = max(steps, key=lambda p: int(p.name))
  return folder


def read_meta(path: str) -> dict[str, Any]:
  """Returns what lies beside the arrays of a checkpoint, {} without one.

  Args:
    path: a working directory or a checkpoint.
  """
  file = checkpoint_folder(path) / 'meta' / 'metadata'
  return opening.read_json(file) if file.exists() else {}


def save_arrays(
  path: str,
  arrays: Mapping[str, np.ndarray],
  metadata: Mapping[str, str] | None = None,
) -> None:
  """Writes arrays by name, a model's by `petl.variables`, to safetensors."""
  if not path.endswith(SUFFIX):
    raise ValueError(f'{path!r} should end in {SUFFIX}')
  unfinished = path + '.unfinished'
  _write({k: np.asarray(v) for k, v in arrays.items()}, unfinished, metadata)
  os.replace(unfinished, path)


def _write(arrays, path, metadata) -> None:
  """Writes a safetensors file array by array.

  The library's own function wants all of them contiguous at once: a second copy
  of a model whose arrays are views of another's.
  """
  header = {'__metadata__': dict(metadata)} if metadata else {}
  # The widest types first, by which all arrays are aligned.
  order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
  end = 0
  for name in order:
    array, start = arrays[name], end
    end += array.nbytes
    header[name] = {
      'dtype': _DTYPES[array.dtype.name],
      'shape': array.shape,
      'data_offsets': (start, end),
    }
  said = json.dumps(header).encode()
  said += b' ' * (-len(said) % 8)
  with open(path, 'wb') as file:
    file.write(len(said).to_bytes(8, 'little') + said)
    for name in order:
      flat = np.ascontiguousarray(arrays[name]).reshape(-1)
      file.write(flat.view(np.uint8))


def to_host(tree: Any) -> Any:
  """Returns a tree's arrays as numpy's, whole; all processes must call it."""

  def whole(leaf):
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
      leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return np.asarray(leaf)

  return jax.tree.map(whole, tree)


def tree_hash(tree: Any) -> str:
  """Returns a hash of all leaves with their paths, '' for an empty tree."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  if not leaves:
    return ''
  digest = hashlib.sha256()
  for path, leaf in leaves:
    digest.update(jax.tree_util.keystr(path).encode())
    digest.update(to_host(leaf).tobytes())
  return digest.hexdigest()
