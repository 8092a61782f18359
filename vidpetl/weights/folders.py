"""From a path to the files that hold its arrays: folders, indexes, parts."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import Any

from etils import epath

from vidpetl.data import opening
from vidpetl.weights import tree
from vidpetl.weights.errors import WeightsError

# Names of Hugging Face's, of which a folder may have several: the first counts.
_USUAL = (
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
  'flax_model.msgpack',
)
_INDEX = '.index.json'
# 'name-00001-of-00002.safetensors', 'name.ckpt.data-00000-of-00001'.
_PART = re.compile(r'[-_](\d{5})-of-(\d{5})(?=\.|$)')
# What trainers leave beside weights.
_BESIDE = re.compile(
  r'^(optimizer|scheduler|scaler|rng_state|random_states|training_args)\b'
)
# What orbax's checkpoints have in them, and parts of several have below.
_ORBAX = ('_METADATA', '_CHECKPOINT_METADATA', 'manifest.ocdbt', '.zarray')
_SHOWN = 8


@dataclasses.dataclass(frozen=True)
class Source:
  """Where the arrays of a path are.

  Attributes:
    path: of the file or folder.
    files: paths of the files that hold them.
    words: what it is, if that is not what its one file is.
    read: reads the path as a whole, if its files are not read one by one.
    parts: names in each of `files`, where an index has them.
  """

  path: str
  files: tuple[str, ...] = ()
  words: str = ''
  read: Callable[[str], Any] | None = None
  parts: tuple[Sequence[str], ...] = ()


def resolve(path: str, is_read: Callable[[str], bool]) -> Source:
  """Returns where the arrays of a path are.

  Args:
    path: of a file, an index, a folder, or what the names of a TensorFlow
      checkpoint's files begin with.
    is_read: whether a file is one of weights.

  Raises:
    WeightsError: if there is nothing, or not one thing, to read.
  """
  place = epath.Path(path)
  if path and (start := _tensorflow(place)):
    return Source(start, words='a TensorFlow checkpoint', read=_read_tensorflow)
  if not path or not place.exists():  # '' would be '.'
    raise WeightsError(f'{path}: no such file')
  if place.is_dir():
    return _folder(place, is_read)
  if place.suffix == '.json':
    return _indexed(place)
  if (part := _PART.search(place.name)) and int(part[2]) > 1:
    raise WeightsError(
      f'{path} is one of {int(part[2])} files, and has a part of the arrays '
      f'alone; give their folder, or their index (*{_INDEX})'
    )
  return Source(path, (path,))


def _folder(place: epath.Path, is_read) -> Source:
  names = sorted(entry.name for entry in place.iterdir())
  if found := next((n for n in _USUAL if n in names), ''):
    return resolve(str(place / found), is_read)
  if _is_orbax(place):
    return Source(str(place), words='an orbax checkpoint', read=_read_orbax)
  _refuse_ours(place, names)
  indexes = [n for n in names if n.endswith(_INDEX)]
  found = indexes or [
    name
    for name in names
    if not _BESIDE.match(name) and (place / name).is_file()
    if is_read(str(place / name))
  ]
  if parts := _parts(place, found):
    return parts
  inside = [n for n in names if not found and _is_orbax(place / n)]
  if len(found) + len(inside) == 1:
    return resolve(str(place / (found + inside)[0]), is_read)
  raise WeightsError(f'{place}: {_unclear(names, found + inside)}')


def _parts(place: epath.Path, found: list[str]) -> Source | None:
  """Returns files that are numbered as parts of one, None if they are none.

  Raises:
    WeightsError: if a part is not there.
  """
  numbered = [match for name in found if (match := _PART.search(name))]
  alike = {_PART.sub(f'-{m[2]}', m.string) for m in numbered}
  if not numbered or len(numbered) < len(found) or len(alike) > 1:
    return None
  count = int(numbered[0][2])
  missing = sorted(set(range(1, count + 1)) - {int(m[1]) for m in numbered})
  if missing:
    raise WeightsError(
      f'{place} has {len(found)} of the {count} parts of its model; of the '
      f'numbers {missing} there is none'
    )
  files = tuple(str(place / name) for name in found)
  return Source(str(place), files, f'{count} parts without an index')


def _unclear(names: list[str], found: list[str]) -> str:
  """Returns why a folder is not read."""
  if found:
    return f'give one of {_few(found)}: several files of weights are in it'
  return (
    'a folder without weights: no file that is read (safetensors, numpy, '
    'PyTorch, msgpack), no index of several, no checkpoint of orbax or '
    f'TensorFlow. It holds {_few(names) if names else "nothing"}'
  )


def _few(names: list[str]) -> str:
  more = len(names) - _SHOWN
  return ', '.join(names[:_SHOWN]) + (f' and {more} more' if more > 0 else '')


def _refuse_ours(place: epath.Path, names: list[str]) -> None:
  if 'checkpoints' in names or {'state', 'meta'} <= set(names):
    raise WeightsError(
      f'{place} is a run of vidpetl, which needs no conversion: init= takes it '
      'as it is, and --into=FAMILY writes it for others'
    )
  if 'adapter_config.json' in names:
    raise WeightsError(
      f"{place} is peft's folder of an adapter: `vidpetl adapter from_peft` "
      'reads it'
    )


def _is_orbax(place: epath.Path) -> bool:
  if not place.is_dir():
    return False
  names = {entry.name for entry in place.iterdir()}
  return bool(names.intersection(_ORBAX)) or any(
    (place / name / '.zarray').exists() for name in names
  )


def _read_orbax(path: str) -> Any:
  # Slow to import, and seldom needed.
  import orbax.checkpoint as ocp  # noqa: PLC0415

  handler = ocp.PyTreeCheckpointHandler()
  with ocp.Checkpointer(handler) as checkpointer:
    return checkpointer.restore(epath.Path(path).absolute())


def _indexed(place: epath.Path) -> Source:
  """Returns the files that an index names."""
  try:
    files = opening.read_json(place)['weight_map']
    names = {}
    for name, file in files.items():
      names.setdefault(str(place.parent / file), []).append(name)
  except (ValueError, KeyError, TypeError, AttributeError):
    raise WeightsError(
      f'{place} is no index of weights (it has no weight_map); give the file '
      'of the weights that it is about'
    ) from None
  missing = [file for file in names if not epath.Path(file).exists()]
  if missing:
    raise WeightsError(
      f'{place} names {len(names)} files, of which {len(missing)} are not '
      f'beside it: {_few([epath.Path(file).name for file in missing])}'
    )
  return Source(
    str(place),
    tuple(names),
    f'an index of {len(names)} files',
    parts=tuple(names.values()),
  )


def joined(source: Source, parts: Sequence[Any]) -> dict[str, Any]:
  """Returns what several files hold, as one.

  Raises:
    WeightsError: if one of them has not what the index says, or without an
      index, if two have the same.
  """
  found = {}
  listed = source.parts or [tuple(part) for part in parts]
  for file, names, part in zip(source.files, listed, parts):
    if missing := [name for name in names if name not in part]:
      raise WeightsError(
        f'{file} has no {missing[0]!r}, which the index {source.path} says is '
        'in it: they are not of the same model'
      )
    if twice := [name for name in names if name in found]:
      raise WeightsError(f'{file} has {twice[0]!r}, as a file before it has')
    found |= {name: part[name] for name in names}
  return found


def _tensorflow(place: epath.Path) -> str:
  """Returns how the names of a TensorFlow checkpoint begin, '' if it is none.

  Raises:
    WeightsError: if its index or its data is not there.
  """
  if place.is_dir():
    indexes = [p for p in place.glob('*.index') if p.is_file()]
    if len(indexes) != 1:
      return ''
    place = indexes[0]
  start = re.sub(r'\.(index|data-\d{5}-of-\d{5})$', '', str(place))
  index = epath.Path(f'{start}.index')
  if start == str(place) and (place.exists() or not index.exists()):
    return ''
  data = list(index.parent.glob(f'{epath.Path(start).name}.data-*'))
  for there, what in ((index.exists(), '.index'), (data, '.data-*')):
    if not there:
      raise WeightsError(
        f'{place} is of a TensorFlow checkpoint, whose {start}{what} is not '
        'there; fetch all of its files'
      )
  return start


def _read_tensorflow(path: str) -> Any:
  # Slow to import, and seldom needed.
  import tensorflow as tf  # noqa: PLC0415

  reader = tf.train.load_checkpoint(path)
  names = reader.get_variable_to_shape_map()
  return tree.nest({name: reader.get_tensor(name) for name in names}, '/')
