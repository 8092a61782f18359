"""Reading files of weights, whoever wrote them, without running code.

What a file is follows from its first bytes, not from its name. It becomes
nested dicts with numpy arrays at their leaves, beside whatever else was saved.
"""

from __future__ import annotations

import argparse
import re
import zipfile
from collections.abc import Callable
from typing import Any

import flax.serialization
import ml_dtypes
import numpy as np
import safetensors
import safetensors.numpy
from etils import epath

from vidpetl.weights import torchscript
from vidpetl.weights.errors import WeightsError

# How msgpack begins a map of up to 15 entries, or of more, and a name in it.
_MAP = re.compile(
  rb'([\x81-\x8f]|\xde..|\xdf....)[\xa0-\xbf\xd9-\xdb]', re.DOTALL
)


def read(path: str) -> Any:
  """Reads a file, or an orbax checkpoint's folder.

  Args:
    path: a safetensors, `.npz`, PyTorch (`.pth`, `.pt`, `.bin`, `.pth.tar`),
      TorchScript or msgpack file.

  Returns:
    Nested dicts; what is no dict or list is a numpy array, or was none.

  Raises:
    WeightsError: if there is no such file, if it is none of these or damaged,
      if it holds more than data, or if PyTorch is needed and not installed.
  """
  if not path or not epath.Path(path).exists():  # '' would be '.'
    raise WeightsError(f'{path}: no such file')
  if epath.Path(path).is_dir():
    return _guarded(path, 'an orbax checkpoint', _orbax)
  kind, reader = _sniff(path)
  return _guarded(path, kind, reader)


def _guarded(path: str, kind: str, reader: Callable[[str], Any]) -> Any:
  try:
    return reader(path)
  except WeightsError:
    raise
  except Exception as error:  # Every library has its own for damaged files.
    said = str(error).strip().split('\n')[0]
    raise WeightsError(
      f'{_sized(path)} begins as {kind}, but cannot '
      f'be read to its end; an incomplete download? '
      f'({type(error).__name__}: {said})'
    ) from None


def _sized(path: str) -> str:
  return f'{path} ({epath.Path(path).stat().length:,} bytes)'


def _sniff(path: str) -> tuple[str, Callable[[str], Any]]:
  """Returns what a file is, in words, and what reads it."""
  with open(path, 'rb') as file:
    head = file.read(16)
  if head.startswith(b'PK\x03\x04'):
    return _sniff_zip(path)
  if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < 2**31:
    return 'a safetensors file', _safetensors
  if head[:1] == b'\x80' and head[1:2] in (b'\x02', b'\x03', b'\x04', b'\x05'):
    return 'a PyTorch file of the old format', _torch
  if _MAP.match(head):
    return 'a Flax (msgpack) file', _msgpack
  raise WeightsError(
    f'{path} begins with {head[:8]!r}, which is no safetensors, .npz, PyTorch, '
    'TorchScript or Flax (msgpack) file'
  )


def _sniff_zip(path: str) -> tuple[str, Callable[[str], Any]]:
  try:
    with zipfile.ZipFile(path) as archive:
      names = archive.namelist()
  except zipfile.BadZipFile as error:
    raise WeightsError(
      f'{_sized(path)} begins as an archive, but '
      f'has no end; an incomplete download? ({error})'
    ) from None
  if any(name.endswith('.npy') for name in names):
    return 'an .npz file', _npz
  inside = {name.partition('/')[2] for name in names}
  if 'constants.pkl' in inside:
    return 'a TorchScript file', torchscript.read
  if 'data.pkl' in inside:
    return 'a PyTorch file', _torch
  raise WeightsError(
    f'{path} is an archive of {names[:3]}…, not of weights; is it to be '
    'unpacked first?'
  )


def _safetensors(path: str) -> dict[str, np.ndarray]:
  # What is mapped would be in memory beside what is read from it.
  return safetensors.numpy.load_file(path, backend='pread')


def _npz(path: str) -> dict[str, Any]:
  """Returns the arrays of 'a/b/c' as nested dicts."""
  with np.load(path, allow_pickle=False) as archive:
    try:
      return nest({name: archive[name] for name in archive.files}, '/')
    except ValueError as error:
      if 'allow_pickle' not in str(error):
        raise
      raise WeightsError(
        f'{path} holds more than arrays: objects, which to read is to run code '
        'of theirs. Nothing of it was run'
      ) from None


def nest(flat: dict[str, Any], separator: str) -> dict[str, Any]:
  """Returns nested dicts of names that have separators.

  Raises:
    WeightsError: if a name is another's folder.
  """
  tree = {}
  for name, value in flat.items():
    *folders, last = name.split(separator)
    place = tree
    for folder in folders:
      place = place.setdefault(folder, {})
      if not isinstance(place, dict):
        raise WeightsError(f'{folder!r} of {name!r} is an array as well')
    if last in place:
      raise WeightsError(f'{name!r} is the name of two things')
    place[last] = value
  return tree


def _msgpack(path: str) -> Any:
  return flax.serialization.msgpack_restore(epath.Path(path).read_bytes())


def _orbax(path: str) -> Any:
  # Slow to import, and seldom needed.
  import orbax.checkpoint as ocp  # noqa: PLC0415

  handler = ocp.PyTreeCheckpointHandler()
  with ocp.Checkpointer(handler) as checkpointer:
    return checkpointer.restore(epath.Path(path).absolute())


def _torch(path: str) -> Any:
  try:
    import torch  # noqa: PLC0415
  except ImportError:
    raise WeightsError(
      f'{path} is a PyTorch file, and PyTorch is not installed: pip install '
      'torch (its CPU build will do), or convert the file to safetensors '
      'elsewhere'
    ) from None
  try:
    with torch.serialization.safe_globals(_harmless()):
      loaded = torch.load(
        path,
        map_location='cpu',
        weights_only=True,
        mmap=zipfile.is_zipfile(path),
      )
  except Exception as error:
    if found := re.search(r'GLOBAL ([\w.]*\w) ', str(error)):
      raise WeightsError(
        f'{path} holds more than weights: unpickling it would call '
        f'{found[1]}. Nothing of it was run; save its weights alone, with a '
        'program that you trust'
      ) from None
    raise
  return _from_torch(loaded, torch)


def _harmless() -> list[Any]:
  """Returns what training scripts save beside weights and runs no code."""
  scalar, kinds = np._core.multiarray.scalar, np.dtypes
  return [
    argparse.Namespace,
    np.dtype,
    (scalar, 'numpy.core.multiarray.scalar'),
    (scalar, 'numpy._core.multiarray.scalar'),
    *(kinds.Float64DType, kinds.Float32DType, kinds.Int64DType),
  ]


def _from_torch(value: Any, torch: Any) -> Any:
  """Returns a loaded file with arrays that share its tensors' memory."""
  if isinstance(value, dict):
    return {str(k): _from_torch(v, torch) for k, v in value.items()}
  if isinstance(value, (list, tuple)):
    return [_from_torch(v, torch) for v in value]
  if not isinstance(value, torch.Tensor):
    return value
  value = value.detach()
  if value.dtype == torch.bfloat16:
    return value.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
  return value.numpy()
