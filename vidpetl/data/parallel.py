"""One function on many items, in processes that may die.

A decoder that crashes on a damaged file takes its process along, and the pool
with it. What was under way is then repeated, one item at a time, and the one
that does it again is told as crashed.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Item = TypeVar('Item')

# Items under way for each process.
_AHEAD = 4

# In place of a result.
CRASHED = object()


def run(
  work: Callable[[Item], Any], items: Iterable[Item], processes: int
) -> Iterator[tuple[Item, Any]]:
  """Deals with all items in parallel, whatever happens to a process.

  Args:
    work: what to do with an item; it can be pickled, as processes are spawned.
    items: what to do it with.
    processes: how many.

  Yields:
    (item, result) in the order in which they are done; the result is
    `CRASHED` if the process died of it.
  """
  waiting = iter(items)
  while True:
    under_way: dict[futures.Future, Item] = {}
    try:
      with _pool(processes) as pool:
        for item in _first(waiting, processes * _AHEAD):
          under_way[pool.submit(work, item)] = item
        while under_way:
          done, _ = futures.wait(under_way, return_when=futures.FIRST_COMPLETED)
          for future in done:
            result = future.result()
            yield under_way.pop(future), result
          for item in _first(waiting, len(done)):
            under_way[pool.submit(work, item)] = item
      return
    except BrokenProcessPool:
      for item in under_way.values():
        yield item, _alone(work, item)


def _alone(work: Callable[[Item], Any], item: Item) -> Any:
  try:
    with _pool(1) as pool:
      return pool.submit(work, item).result()
  except BrokenProcessPool:
    return CRASHED


def _first(iterator: Iterator[Item], n: int) -> list[Item]:
  return [item for _, item in zip(range(n), iterator)]


def _pool(processes: int) -> futures.ProcessPoolExecutor:
  return futures.ProcessPoolExecutor(
    processes,
    mp_context=multiprocessing.get_context('spawn'),
    initializer=_follow_parent,
  )


def _follow_parent() -> None:
  """Ends this process when its parent has, even if that was killed."""
  parent = multiprocessing.parent_process()

  def watch():
    parent.join()
    os._exit(1)

  threading.Thread(target=watch, daemon=True).start()
