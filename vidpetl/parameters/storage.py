"""Files of arrays by name: a model's, as `parameters.variables` names them."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import safetensors.numpy
from etils import epath, epy

from vidpetl import durable
from vidpetl.data import opening
from vidpetl.parameters import mapped, sums, variables

with epy.lazy_imports():  # A file of arrays needs none of them.
  import jax
  import orbax.checkpoint as ocp
  from jax.experimental import multihost_utils

  from vidpetl.parameters import checksums

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
    return read_arrays(path)
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

  Raises:
    sums.DamagedError: if its arrays are not those that were saved.
  """
  folder = checkpoint_folder(path)
  then = read_meta(path).get(checksums.FIELD)
  try:
    tree = _restore(folder / 'state')
  except (MemoryError, PermissionError, InterruptedError):
    raise
  except Exception as error:  # Its libraries have many.
    raise sums.DamagedError(
      f'{folder} cannot be read, or is damaged ({error}); name another '
      'checkpoint of the run'
    ) from error
  model = {k: tree[k] for k in ('params', variables.STATISTICS) if k in tree}
  if differ := _differing(then, checksums.of(model)):
    raise sums.DamagedError(
      f'{folder} is damaged: other values than were saved of '
      f'{", ".join(differ[:3])}; name another checkpoint of the run'
    )
  return variables.flatten(tree)


def _differing(
  then: Mapping[str, str] | None, now: Mapping[str, str]
) -> list[str]:
  """Returns what differs of a model, from the checksums of a checkpoint."""
  if then is None:  # of an older version
    return []
  kinds = tuple(f'{kind}/' for kind in ('params', variables.STATISTICS))
  then = {name: text for name, text in then.items() if name.startswith(kinds)}
  return checksums.differing(then, now)


def _restore(folder: epath.Path) -> dict[str, Any]:
  """Returns a tree that orbax saved, as numpy's arrays."""
  with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as checkpointer:
    shapes = checkpointer.metadata(folder).item_metadata.tree
    as_numpy = jax.tree.map(
      lambda _: ocp.RestoreArgs(restore_type=np.ndarray), shapes
    )
    return checkpointer.restore(
      folder,
      args=ocp.args.PyTreeRestore(item=shapes, restore_args=as_numpy),
    )


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

  Raises:
    sums.DamagedError: if it cannot be read.
  """
  folder = checkpoint_folder(path)
  file = folder / 'meta' / 'metadata'
  if not file.exists() and not (folder / 'state').exists():
    return {}
  try:
    meta = json.loads(file.read_bytes())
    intact = checksums.is_intact(meta)
  except (FileNotFoundError, ValueError, TypeError) as error:
    raise sums.DamagedError(f'{file} is damaged ({error})') from None
  if not intact:
    raise sums.DamagedError(
      f'{file} is damaged: it has another checksum; name another checkpoint of '
      'the run'
    )
  return meta


def save_arrays(
  path: str,
  arrays: Mapping[str, np.ndarray],
  metadata: Mapping[str, str] | None = None,
) -> None:
  """Writes arrays by name, a model's by `petl.variables`, to safetensors.

  Their sums go into the metadata; see `sums`.
  """
  if not path.endswith(SUFFIX):
    raise ValueError(f'{path!r} should end in {SUFFIX}')
  arrays = {k: np.asarray(v) for k, v in arrays.items()}
  with durable.opened(path) as file:
    _write(arrays, file, sums.signed(metadata or {}, arrays))


def read_arrays(path: epath.PathLike) -> dict[str, np.ndarray]:
  """Returns all arrays of a safetensors file.

  Raises:
    sums.DamagedError: naming the file, if it is none, or has sums of other
      values than it holds.
  """
  opening.regular(path)
  with _blaming(path):
    arrays, metadata = _read(path)
  sums.check(path, arrays, metadata)
  return arrays


def read_metadata(path: str) -> dict[str, str]:
  """Returns the metadata of a safetensors file, with sums if it has any.

  Raises:
    sums.DamagedError: naming the file, if it is none, or has sums of others.
  """
  opening.regular(path)
  with _blaming(path), safetensors.safe_open(path, 'numpy') as file:
    metadata = file.metadata() or {}
  sums.check_metadata(path, metadata)
  return metadata


@contextlib.contextmanager
def _blaming(path: epath.PathLike) -> Iterator[None]:
  """Names the file in what the library says of a damaged one."""
  try:
    yield
  except OSError:
    raise
  except Exception as error:  # It has several.
    raise sums.DamagedError(
      f'{path}: no safetensors file, or a damaged one ({error})'
    ) from None


def _read(path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """Returns arrays and metadata."""
  if '://' in os.fspath(path):
    data = epath.Path(path).read_bytes()
    end = 8 + int.from_bytes(data[:8], 'little')
    metadata = json.loads(data[8:end]).get('__metadata__', {})
    return safetensors.numpy.load(data), metadata
  # Not mapped: a file that is written over would change what a run computes
  # with.
  with safetensors.safe_open(path, 'numpy', backend='pread') as file:
    arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return arrays, file.metadata() or {}


def _write(arrays, file, metadata) -> None:
  """Writes a safetensors file array by array.

  The library's own function wants all of them contiguous at once: a second copy
  of a model whose arrays are views of another's.
  """
  header = {'__metadata__': metadata}
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
  file.write(len(said).to_bytes(8, 'little') + said)
  for name in order:
    flat = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8)
    # Files of object stores take nothing but bytes.
    file.write(flat if isinstance(file, io.IOBase) else flat.tobytes())
    mapped.release(arrays[name])


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
