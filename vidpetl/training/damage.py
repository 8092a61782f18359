"""Whether a checkpoint is what was saved: its checksums, and how it fails.

Its meta holds the checksum of each array, and its own. What is changed, cut or
gone is thus known for it, whatever the libraries that read it make of it.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from absl import logging as absl_logging
from etils import epath

from vidpetl.parameters import checksums

# Of the arrays, and of the meta that holds them.
SUMS, DIGEST = checksums.FIELD, 'digest'
SIGNATURE = (SUMS, DIGEST)
# Words of errors that are those of a machine, and say nothing about a file.
_NOT_THE_FILE = (
  'RESOURCE_EXHAUSTED',
  'DEADLINE_EXCEEDED',
  'UNAVAILABLE',
  'PERMISSION_DENIED',
  'UNAUTHENTICATED',
  'Out of memory',
)


class DamagedError(RuntimeError):
  """A checkpoint is not what was saved.

  Attributes:
    folder: of the checkpoint.
    why: in words.
  """

  def __init__(self, folder: epath.Path, why: str):
    super().__init__(
      f'{folder} is damaged: {why}. Name another checkpoint, or move this one '
      'away; training by the command of the run takes the one before.'
    )
    self.folder, self.why = folder, why


def sign(meta: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a meta with its digest."""
  return {**meta, DIGEST: _digest(meta)}


def read(folder: epath.Path) -> dict[str, Any]:
  """Returns the meta of a checkpoint.

  Raises:
    DamagedError: if it is not what was written.
  """
  path = folder / 'meta' / 'metadata'
  try:
    meta = json.loads(path.read_bytes())
    meta.keys()  # It is an object.
  except (FileNotFoundError, ValueError, AttributeError) as error:
    raise DamagedError(folder, f'meta/metadata: {reason(error)}') from None
  # Older ones have neither.
  if SUMS in meta or DIGEST in meta:
    unsigned = {k: v for k, v in meta.items() if k != DIGEST}
    if SUMS not in meta or meta.get(DIGEST) != _digest(unsigned):
      raise DamagedError(folder, 'meta/metadata has another checksum')
  return meta


def check_kinds(
  folder: epath.Path, sums: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
  """Refuses a checkpoint of a model, or an optimizer, of other arrays.

  Args:
    folder: of the checkpoint.
    sums: that it has.
    wanted: `checksums.kinds` of the run.

  Raises:
    ValueError: naming them.
  """
  there = {path: checksums.kind(text) for path, text in sums.items()}
  differ = checksums.differing(there, wanted)
  if differ:
    told = '; '.join(
      f'{path}: {there.get(path, "none")} there, {wanted.get(path, "none")} '
      'in the run'
      for path in differ[:4]
    )
    raise ValueError(
      f'{folder} is of another model or optimizer (config.backbone, .petl, '
      f'.trainable, .optimizer.name, .tasks): {len(differ)} arrays differ, '
      f'{told}. Use another --workdir, or the settings that it was started '
      'with.'
    )


def check_sums(
  folder: epath.Path, then: Mapping[str, str], now: Mapping[str, str]
) -> None:
  """Compares arrays that were read with those that were saved.

  Raises:
    DamagedError: naming those that differ.
  """
  if differ := checksums.differing(then, now):
    more = f' and {len(differ) - 3} more' if len(differ) > 3 else ''
    raise DamagedError(
      folder, f'other values than were saved of {", ".join(differ[:3])}{more}'
    )


@contextlib.contextmanager
def reading(folder: epath.Path, signed: bool) -> Iterator[None]:
  """Turns errors of reading a checkpoint into what they say about it.

  Args:
    folder: of the checkpoint.
    signed: whether its arrays are known to be of this run.

  Raises:
    DamagedError: if it cannot be read, through its own fault.
    ValueError: of one without checksums, which may be of another model.
  """
  try:
    yield
  except Exception as error:
    if _is_of_machine(error):
      raise
    if signed:
      raise DamagedError(folder, reason(error)) from error
    raise ValueError(
      f'{folder}, of an older version, cannot be restored: it is damaged, or '
      f'of another model or optimizer ({reason(error)}). Move it away, and the '
      'same command begins at the one before.'
    ) from error


def reason(error: BaseException) -> str:
  """Returns the first line of an error, not too long."""
  line = str(error).strip().partition('\n')[0][:200].rstrip('. ')
  return f'{type(error).__name__}: {line}' if line else type(error).__name__


def quiet() -> None:
  """Keeps orbax from logging errors, which it raises as well.

  `--verbosity=0` shows them.
  """
  logger = logging.getLogger('absl')
  if _shown not in logger.filters:
    logger.addFilter(_shown)
    sys.unraisablehook = functools.partial(_unraisable, sys.unraisablehook)


def _shown(record: logging.LogRecord) -> bool:
  loud = absl_logging.get_verbosity() >= absl_logging.INFO
  return loud or 'orbax' not in record.pathname


def _unraisable(show: Callable[[Any], None], error: Any) -> None:
  """Shows what nobody can catch, but what is left of a reading that failed.

  Of arrays that are read side by side, those behind the first that is damaged
  are let go.
  """
  code = getattr(error.object, 'cr_code', None)
  of_reading = code is not None and 'orbax' in code.co_filename
  if not of_reading and str(error.exc_value) != 'Event loop is closed':
    show(error)


def _is_of_machine(error: Exception) -> bool:
  """Whether an error may be gone at another time, or elsewhere."""
  if isinstance(error, MemoryError):
    return True
  if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
    return error.errno not in (None, errno.ENOTDIR, errno.EISDIR)
  return any(word in str(error) for word in _NOT_THE_FILE)


def _digest(meta: Mapping[str, Any]) -> str:
  """Returns a hash of what JSON makes of a meta."""
  plain = json.loads(json.dumps(meta))
  return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
