"""adapt.json: what was asked, decided, spent and found, as it goes.

A search that is killed goes on from it. What was decided stays decided, as
times that were measured differ from one start to the next; what was spent stays
spent.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from etils import epath

from vidpetl import durable
from vidpetl.data import opening
from vidpetl.studies.adapting import cost

FILE = 'adapt.json'
# Folders above that of a run: stage, setting, rate, seed.
_DEEPEST = 4


class Journal:
  """The books of a search.

  Attributes:
    found: all of it, as json has it.
  """

  def __init__(self, folder: epath.Path, asked: Mapping[str, Any]):
    """Takes up what is there.

    Args:
      folder: of the search.
      asked: what makes it another search, if it differs.

    Raises:
      ValueError: if another search has begun there.
    """
    self.folder, self._path = folder, folder / FILE
    folder.mkdir(parents=True, exist_ok=True)
    asked = json.loads(json.dumps(asked))
    self.found: dict[str, Any] = {'asked': asked, 'stages': {}, 'lost': 0.0}
    before = opening.read_json(self._path) if self._path.exists() else {}
    # A plan alone binds nobody.
    if before.get('stages') or before.get('asked') == asked:
      self.found = before
      self._require(asked)
      self._lose()
    self.write()

  def _require(self, asked: Mapping[str, Any]) -> None:
    before = self.found['asked']
    names = dict.fromkeys([*before, *asked])
    differ = [n for n in names if before.get(n) != asked.get(n)]
    if differ:
      told = '; '.join(
        f'{n}: {before.get(n)!r} then, {asked.get(n)!r} now' for n in differ
      )
      raise ValueError(
        f'{self.folder} holds another search: {told}; use another --workdir, '
        'or remove it.'
      )

  def _lose(self) -> None:
    """Counts the time of a process that ended before it could tell."""
    newest = [
      path.stat().mtime
      for depth in range(1, _DEEPEST + 1)
      for path in self.folder.glob(f'{"*/" * depth}metrics.jsonl')
    ]
    if newest and self.found.get('at'):
      self.found['lost'] += max(0.0, max(newest) - self.found['at'])

  def write(self) -> None:
    """Keeps it."""
    self.found['at'] = time.time()
    durable.write(self._path, json.dumps(self.found, indent=1) + '\n')

  def once(self, key: str, make: Callable[[], Any]) -> Any:
    """Returns what is known under a key, having made it the first time."""
    if key not in self.found:
      self.found[key] = json.loads(json.dumps(make()))
      self.write()
    return self.found[key]

  def stage(self, name: str, decide: Callable[[], Any]) -> dict[str, Any]:
    """Returns a stage, whose decision is made once.

    Args:
      name: of it.
      decide: returns how it goes, as json has it.
    """
    stages = self.found['stages']
    if name not in stages:
      decided = json.loads(json.dumps(decide()))
      stages[name] = {'decided': decided, 'runs': {}, 'done': False}
      self.write()
    return stages[name]

  @property
  def spent(self) -> cost.Cost:
    """What all runs cost so far, and the time that was lost."""
    runs = [
      cost.Cost(run['forward'], run['backward'], run['seconds'])
      for stage in self.found['stages'].values()
      for run in stage['runs'].values()
    ]
    before = self.found.get('before', 0.0) + self.found['lost']
    return sum(runs, cost.Cost(seconds=before))
