"""Programs: kept from run to run, and compiled before they are needed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
from etils import epath

VARIABLE = 'VIDPETL_CACHE'
AUTO = 'auto'
_FOLDER = 'compiled'
# A demo's programs take a tenth of a second, where JAX keeps those of one.
_SHORTEST = 0.1


def keep(folder: str, beside: epath.PathLike) -> None:
  """Has JAX keep programs in a folder, and take those that are there.

  JAX knows a program by what it computes, its own version and its options, and
  writes a file for each, so that several processes may share the folder.

  Args:
    folder: `config.compile_cache`. 'auto' is `$VIDPETL_CACHE`, or else the
      folder 'compiled' in `beside`, unless JAX has been told of one by its own
      variable; '' leaves that to JAX as well.
    beside: folder that holds working directories.
  """
  told = jax.config.jax_compilation_cache_dir
  if not folder or (folder == AUTO and told and VARIABLE not in os.environ):
    return
  if folder == AUTO:
    folder = os.environ.get(VARIABLE) or os.fspath(epath.Path(beside) / _FOLDER)
  own = epath.Path(folder).expanduser() / host()
  # Others could put machine code of theirs there.
  own.mkdir(mode=0o700, parents=True, exist_ok=True)
  jax.config.update('jax_compilation_cache_dir', os.fspath(own.absolute()))
  jax.config.update('jax_persistent_cache_min_compile_time_secs', _SHORTEST)


def host() -> str:
  """Returns a name of what this machine's CPU can do.

  A program for one machine's CPU may have instructions that another's lacks.
  """
  try:
    text = epath.Path('/proc/cpuinfo').read_text()
  except OSError:  # Not Linux.
    text = platform.node()
  # 'flags' of x86, 'Features' of ARM.
  lines = text.splitlines()
  told = {x for x in lines if x.lower().startswith(('flags', 'features'))}
  sign = '\n'.join(sorted(told) or [text])
  digest = hashlib.sha256(sign.encode()).hexdigest()[:12]
  return f'{platform.machine()}-{digest}'


class Ahead:
  """Compiles programs in a thread, while data and state are opened.

  A call of a program then finds it compiled. What cannot be compiled says so at
  that call.
  """

  def __init__(
    self,
    names: Sequence[str],
    compile: Callable[[str], Any],
    mesh: jax.sharding.Mesh,
  ):
    """Starts.

    Args:
      names: of programs, in the order in which they are needed.
      compile: compiles one of them.
      mesh: under which they are called.
    """
    self._compile, self._mesh = compile, mesh
    self._done = {name: threading.Event() for name in names}
    self._closed = False
    # No daemon: Python may not end within XLA. An error is told before that.
    threading.Thread(target=self._work).start()

  def _work(self) -> None:
    for name, done in self._done.items():
      # The call raises the error, in the run's own thread.
      with contextlib.suppress(Exception), jax.set_mesh(self._mesh):
        if not self._closed:
          self._compile(name)
      done.set()

  def wait(self, name: str) -> None:
    """Waits until a program is compiled, if it is one of them."""
    if name in self._done:
      self._done[name].wait()

  def close(self) -> None:
    """Begins no further program."""
    self._closed = True


def ahead(programs: Any, latest: int | None) -> Ahead:
  """Compiles the updates of a run, if it has steps to take.

  Args:
    programs: a `vidpetl.training.alone.Alone`.
    latest: steps that it has taken.
  """
  run = programs.run
  trains = run.config.mode == 'train' and latest != run.total
  return Ahead(list(run.train) if trains else (), programs.compile, run.mesh)
