"""Commands of vidpetl in processes that can be killed."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from etils import epath

_ROOT = epath.Path(__file__).parents[2]
_PAUSE = 0.02
MOST_SECONDS = 300.0
# For one that was asked to stop.
_PATIENCE = 90.0


@dataclasses.dataclass(frozen=True)
class Ended:
  """How a process ended.

  Attributes:
    code: its exit code, negative for a signal; None if it had to be killed
      because it did not end.
    seconds: it ran.
    appeared: seconds after which there was something in its folder.
    output: what it said at last.
    signalled: whether a signal came before it had ended.
  """

  code: int | None
  seconds: float
  appeared: float
  output: str
  signalled: bool


def run(
  words: Sequence[str],
  folder: epath.Path,
  log: epath.Path,
  kill: Callable[[float, bool], int | None] | None = None,
  devices: int = 1,
) -> Ended:
  """Runs a command until it ends, or is killed.

  Args:
    words: behind `python -m`.
    folder: that it writes into.
    log: file for what it says; it is written anew.
    kill: is asked for a signal, with the seconds since the start and whether
      there is something in the folder; it is asked no more once it gave one.
    devices: of the CPU.
  """
  force = f'--xla_force_host_platform_device_count={devices}'
  flags = f'{os.environ.get("XLA_FLAGS", "")} {force}'
  before, signalled = _written(folder), False
  began, appeared = time.monotonic(), float('nan')
  with open(log, 'w') as file:
    process = subprocess.Popen(
      [sys.executable, '-m', *words],
      stdout=file,
      stderr=file,
      env={**os.environ, 'XLA_FLAGS': flags, 'JAX_PLATFORMS': 'cpu'},
      start_new_session=True,
      cwd=_ROOT,
    )
    deadline = began + MOST_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
      passed = time.monotonic() - began
      if appeared != appeared and _written(folder) != before:
        appeared = passed
      stop = kill(passed, appeared == appeared) if kill else None
      if stop is not None:
        kill, signalled = None, True
        deadline = time.monotonic() + _PATIENCE
        _send(process, stop)
      time.sleep(_PAUSE)
    code = process.poll()
    _send(process, signal.SIGKILL)  # Also what it has left behind.
    process.wait()
  seconds = time.monotonic() - began
  return Ended(code, seconds, appeared, _end_of(log), signalled)


def _send(process: subprocess.Popen, number: int) -> None:
  """Asks a process to stop; kills it with all that it started."""
  try:
    if number == signal.SIGKILL:
      os.killpg(process.pid, number)
    else:
      process.send_signal(number)
  except ProcessLookupError:
    pass


def _written(folder: epath.Path) -> tuple:
  """Returns what changes when something is written into a folder."""
  if not folder.exists():
    return ()
  stat = os.stat(folder)
  return stat.st_mtime_ns, len(os.listdir(folder))


def _end_of(log: epath.Path) -> str:
  lines = log.read_bytes().decode(errors='replace').splitlines()
  return ' | '.join(lines[-4:])[-600:]
