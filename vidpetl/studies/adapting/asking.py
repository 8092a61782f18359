"""What a search is asked for, and the configs of its runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from vidpetl.data import sources
from vidpetl.experiment import recognising
from vidpetl.recipes import arguments, given
from vidpetl.studies import series
from vidpetl.studies.adapting import cost

# Of the training examples, what a search holds out to choose by.
HELD_OUT = 0.2
# Of every run of a search.
_SEARCHING = {
  'report': 'best',
  'test': False,
  'page': False,
  'input.check': 'off',
  'writers': (),
  'checkpoint.keep': 1,
}
# Of the run on all examples.
_LAST = {
  'validation': 0.0,
  'test': True,
  'report': 'last',
  'eval_every_epochs': 0.0,
  'input.check': 'off',
}
# Arguments of the config that are the search's own, and what says them here.
_OWN = {
  'method': '--methods=lora,adaptformer',
  'probe': '--probes=linear,attentive',
  'seed': '--seeds=3',
  'report': 'nothing: what is held out chooses',
  'rate': 'nothing: rates are searched',
  'head_norm': '--probes=normalised',
}


@dataclasses.dataclass(frozen=True)
class Asked:
  """What a search is asked for.

  Attributes:
    argument: of the config `adapt`.
    known: fields of the config that the weights tell, path -> value.
    fields: of the command line, likewise.
    folder: of the search.
    limit: what may be spent.
    seeds: runs of each setting that may win.
    probes: names of heads; () for all.
    methods: names of methods; () for the usual ones.
    test: fields that lead to a test split, where the data have one beside the
      split to choose by; {} where a part of the training examples is held out.
  """

  argument: str
  known: Mapping[str, Any]
  fields: Mapping[str, Any]
  folder: epath.Path
  limit: cost.Limit
  seeds: int = 3
  probes: Sequence[str] = ()
  methods: Sequence[str] = ()
  test: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def record(self) -> dict[str, Any]:
    """Returns what makes it another search, if it differs."""
    return {
      'argument': self.argument,
      'fields': {k: str(v) for k, v in self.fields.items()},
      'seeds': self.seeds,
      'probes': list(self.probes),
      'methods': list(self.methods),
    }

  def searching(self) -> series.Series:
    """Returns what loads the configs of runs that are compared."""
    share = 0.0 if self.test else HELD_OUT
    return self._series({'validation': share, **self.fields, **_SEARCHING})

  def last(self) -> series.Series:
    """Returns what loads the config of the run on all examples."""
    return self._series({**self.test, **self.fields, **_LAST})

  def with_test(self, config: Any) -> Asked:
    """Returns what is asked of data that may have a split to choose by.

    Args:
      config: of a run.
    """
    if 'validation' in self.fields or len(config.tasks) > 1:
      return self
    ((name, task),) = config.tasks.items()
    if not task.get('eval') or task.eval.get('split') != 'val':
      return self
    try:
      test = sources.open_source({**task.eval, 'split': 'test'})
    except (ValueError, OSError):  # There is none.
      return self
    chooses = sources.open_source(task.eval)
    if not len(test) or set(test.ids) & set(chooses.ids):
      return self
    return dataclasses.replace(self, test={f'tasks.{name}.eval.split': 'test'})

  def _series(self, fields: Mapping[str, Any]) -> series.Series:
    fields = {**self.known, **fields}
    return series.Series('adapt', self.argument, fields, self.folder, (), 0)


def of_words(data: str, more: Sequence[str]) -> tuple[str, Mapping[str, Any]]:
  """Returns the argument of `adapt`, and fields that the weights tell.

  Args:
    data: what is adapted to.
    more: 'name=value' of further arguments.

  Raises:
    ValueError: without weights, for those that cannot tell their backbone, and
      for arguments that a search sets itself.
  """
  told = arguments.texts(','.join(more))
  for name, here in _OWN.items():
    if name in told or (name == 'probe' and any('probe_' in n for n in told)):
      raise ValueError(f'--{name} is searched; what says it here is {here}.')
  if not told.get('weights'):
    raise ValueError(
      '--weights is missing: the published file that it starts from, what '
      '`vidpetl convert` made of it, or the workdir of a run.'
    )
  if 'backbone' in told:
    return given.argument(data, more), {}
  found = recognising.recognise(told['weights'])
  return (
    given.argument(data, [f'backbone={found.preset}', *more]), found.fields
  )  # fmt: skip


def limit(hours: float | None, clips: int | None) -> cost.Limit:
  """Returns what may be spent; None is no limit."""
  return cost.Limit(
    math.inf if clips is None else clips,
    math.inf if hours is None else 3600 * hours,
  )
