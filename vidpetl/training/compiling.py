"""Programs: kept from run to run, and compiled before they are needed."""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import threading
import types
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import jax
from etils import epath

VARIABLE = 'VIDPETL_CACHE'
AUTO = 'auto'
_FOLDER = 'compiled'
# A demo's programs take a tenth of a second, where JAX keeps those of one.
_SHORTEST = 0.1
_SHORTEST_VARIABLE = 'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'


def keep(folder: str, beside: epath.PathLike) -> None:
  """Has JAX keep programs in a folder, and take those that are there.

  JAX knows a program by what it computes, its own version and its options, and
  writes a file for each, so that several processes may share the folder. Those
  that took less than 0.1 s it makes anew, unless its variable says otherwise.

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
  if _SHORTEST_VARIABLE not in os.environ:
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

  A call of a program then finds it compiled.
  """

  def __init__(
    self,
    programs: Mapping[Any, Callable[[], Any]],
    mesh: jax.sharding.Mesh,
    later: Mapping[Any, Callable[[], Any]] = types.MappingProxyType({}),
  ):
    """Starts.

    Args:
      programs: name -> what compiles it, in the order in which they are needed.
      mesh: under which they are called.
      later: those that are left until a program is waited for, so that what
        comes before that has Python to itself.
    """
    self._mesh = mesh
    self._made = {name: futures.Future() for name in (*programs, *later)}
    self._asked = threading.Event()
    self._closed = False
    # No daemon: Python may not end within XLA. An error is told before that.
    threading.Thread(target=self._work, args=(programs, later)).start()

  def _work(
    self,
    programs: Mapping[Any, Callable[[], Any]],
    later: Mapping[Any, Callable[[], Any]],
  ) -> None:
    self._make(programs)
    if later:
      self._asked.wait()
      self._make(later)

  def _make(self, programs: Mapping[Any, Callable[[], Any]]) -> None:
    for name, compile_it in programs.items():
      if self._closed:
        self._made[name].cancel()
        continue
      try:
        with jax.set_mesh(self._mesh):
          compile_it()
      except BaseException as error:  # Of whoever waits for the program.
        self._made[name].set_exception(error)
      else:
        self._made[name].set_result(None)

  def wait(self, name: Any) -> None:
    """Waits until a program is compiled, if it is one of them.

    Raises:
      Exception: what its compiling raised, which its call would raise.
    """
    self._asked.set()
    if name in self._made:
      self._made[name].result()

  def close(self) -> None:
    """Begins no further program."""
    self._closed = True
    self._asked.set()


def ahead(programs: Any, latest: int | None) -> Ahead:
  """Compiles a run's updates, if it has steps to take, and its evaluations.

  Args:
    programs: a `vidpetl.training.alone.Alone`.
    latest: steps that it has taken.

  Returns:
    Programs by task, and whether they train.
  """
  run = programs.run
  train = run.config.mode == 'train'
  if train and latest == run.total:
    return Ahead({}, run.mesh)
  compiled = lambda names, trains: {
    (name, trains): functools.partial(programs.compile, name, trains)
    for name in names
  }
  evaluations = compiled(run.evaluation, False)
  if not train:
    return Ahead(evaluations, run.mesh)
  return Ahead(compiled(run.train, True), run.mesh, evaluations)
