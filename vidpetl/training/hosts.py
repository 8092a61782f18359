"""Joins the processes of a run, and ends all of them when one has ended."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator

import jax

# The public module does not say where process 0 is, nor has a store of values.
from jax._src import distributed

from vidpetl import mistakes
from vidpetl.training import liveness

_KEY = 'vidpetl/liveness'
# Seconds in which the others are heard of, if they are why something failed.
_HEARD_BY = 2.0
# JAX's own watch aborts with a C++ stack, which --debug wants soon.
_HEARTBEATS = {'heartbeat_timeout_seconds': 10}


@contextlib.contextmanager
def joined(
  address: str | None,
  count: int | None,
  number: int | None,
  explain: Callable[[BaseException], int],
  debug: bool = False,
) -> Iterator[None]:
  """Within it, this process is one of a run; an error ends all of them.

  Args:
    address: host:port of process 0; None if the cluster tells.
    count: of processes, likewise.
    number: of this process, likewise.
    explain: prints what an error is, and returns the exit status; it may raise
      the error where its traceback is needed.
    debug: whether JAX ends those that lost another, with its C++ stack.
  """
  jax.distributed.initialize(
    address, count, number, **(_HEARTBEATS if debug else {})
  )
  watch = _watch(debug)
  try:
    yield
  except SystemExit:
    raise
  except BaseException as error:
    _end_all(watch, error, explain)
  watch.done()


def _watch(debug: bool) -> liveness.Watch:
  """Returns a watch that all processes are connected to."""
  state = distributed.global_state
  watch = liveness.Watch(
    state.process_id, liveness.show if debug else liveness.leave
  )
  if state.process_id == 0:
    state.client.key_value_set(_KEY, '{} {}'.format(*watch.serve()))
    return watch
  port, token = state.client.blocking_key_value_get(_KEY, 60_000).split()
  host = state.coordinator_address.rpartition(':')[0].strip('[]')
  try:
    watch.connect(host, int(port), token)
  except OSError as error:
    mistakes.note(
      f'{liveness.name(state.process_id)} cannot reach port {port} of {host} '
      f"({error}): if a process is lost, it is JAX's heartbeat that ends this "
      'one, after 100 s.'
    )
  return watch


def _end_all(
  watch: liveness.Watch,
  error: BaseException,
  explain: Callable[[BaseException], int],
) -> None:
  """Ends this process and the others; a lost one is heard of before that."""
  if not mistakes.is_mistake(error):
    time.sleep(_HEARD_BY)
  try:
    status = explain(error)
  except BaseException:
    traceback.print_exc()
    status = 1
  line = ' '.join(str(error).split()) or type(error).__name__
  watch.fail(line[:2000], status)
  sys.stdout.flush()
  sys.stderr.flush()
  # At its exit, JAX would wait for the others.
  os._exit(status)
