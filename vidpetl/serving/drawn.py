"""Films with their answers drawn in, which are kept for a while."""

from __future__ import annotations

import secrets
import threading
import time

from etils import epath

from vidpetl.serving.limits import Limits

SUFFIX = '.mp4'


class Drawn:
  """Files under names that cannot be guessed.

  Each is removed when its time is over, or when there are too many of them.
  """

  def __init__(self, folder: epath.Path, limits: Limits):
    """Keeps files in a private folder, which must be there."""
    self._folder, self._limits = folder, limits
    self._until: dict[str, float] = {}
    self._lock = threading.Lock()

  def new(self) -> epath.Path:
    """Returns a path that is new, for a film to be written to."""
    return self._folder / f'{secrets.token_urlsafe(16)}{SUFFIX}'

  def keep(self, path: epath.Path) -> str:
    """Keeps a file, and returns its name."""
    with self._lock:
      self._until[path.name] = time.monotonic() + self._limits.keep
      for name in list(self._until)[: -self._limits.kept]:
        self._remove(name)
    return path.name

  def find(self, name: str) -> epath.Path | None:
    """Returns where a file is, None if it is no longer there."""
    self.sweep()
    return self._folder / name if name in self._until else None

  def sweep(self) -> None:
    """Removes what is kept for long enough."""
    now = time.monotonic()
    with self._lock:
      for name in [n for n, until in self._until.items() if until < now]:
        self._remove(name)

  def _remove(self, name: str) -> None:
    del self._until[name]
    (self._folder / name).unlink(missing_ok=True)
