"""Where the time of a run's loop went, and what bounds it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidpetl import markup
from vidpetl.studies.recorded import Recorded
from vidpetl.studies.report import facts
from vidpetl.training import shares

_NAMES = {
  shares.DEVICE: 'waiting for the devices',
  shares.INPUT: 'waiting for batches',
  shares.LOGGING: 'logging',
  shares.METRIC: 'metrics',
  shares.CHECKPOINTS: 'checkpoints',
  shares.EVALUATION: 'evaluations',
  shares.OTHER: 'all else',
}
_MEANWHILE = 'devices had nothing to do meanwhile for up to {}.'
_BOUNDS = {
  shares.DEVICE: 'The devices bound this run: they were busy with steps for at '
  'least {}.',
  shares.EVALUATION: 'Evaluations bound this run: they took {}.',
  shares.INPUT: 'Input bounds this run: devices had no batch for up to {}.',
  shares.LOGGING: f'Logging bounds this run: {_MEANWHILE}',
  shares.CHECKPOINTS: f'Checkpoints bound this run: {_MEANWHILE}',
  shares.OTHER: f'The loop itself bounds this run: {_MEANWHILE}',
}
_NOTE = (
  'Seconds from the end of the first step, since the run began or was resumed '
  'last, to its last evaluation. Where a part found devices idle at its end, '
  'they may have been so throughout.'
)


def tables(run: Recorded) -> list[str]:
  """Returns what bounds a run, and where the time of its loop went.

  [] of a run that has not ended, or whose loop's time was not kept by part.

  Raises:
    ValueError: if time.json is damaged.
  """
  training, evaluations = (run.time.get(name, {}) for name in shares.LOOPS)
  if not ({*shares.FIELDS} <= training.keys() and training['seconds']):
    return []
  parts = [
    f'<p>{markup.text(bound(training))}</p>',
    _table('training', training, 'devices idle, up to'),
  ]
  if evaluations.get('seconds'):
    parts.append(_table('its evaluations', evaluations))
  return [*parts, f'<p class="dim">{_NOTE}</p>']


def bound(training: Mapping[str, Any]) -> str:
  """Returns, in a sentence, what took the most of a loop's time.

  Devices were busy with steps in what remains without evaluations, and without
  that in which they may have been idle.

  Args:
    training: of `shares.Shares.record`.
  """
  whole = training['seconds']
  took = {part: training['idle'].get(part, 0.0) for part in _BOUNDS}
  took[shares.EVALUATION] = training['spent'].get(shares.EVALUATION, 0.0)
  took[shares.DEVICE] = whole - sum(took.values())
  most = max(took, key=took.__getitem__)
  share = f'{_percent(took[most], whole)} of {facts.clock(whole)}'
  return _BOUNDS[most].format(share)


def _table(name: str, record: Mapping[str, Any], of_idle: str = '') -> str:
  """Returns the parts of a loop, the largest first.

  Args:
    name: of the whole.
    record: of `shares.Shares.record`.
    of_idle: head of a column of idle devices; '' for none.
  """
  whole, spent, idle = (record[field] for field in shares.FIELDS)
  rows = [
    [_NAMES.get(part, part), _percent(spent[part], whole), f'{spent[part]:.1f}']
    + [_percent(idle[part], whole) if idle[part] else ''] * bool(of_idle)
    for part in sorted(spent, key=spent.__getitem__, reverse=True)
  ]
  header = [name, 'share', 'seconds', of_idle]
  return markup.table(header[: len(rows[0])], rows)


def _percent(seconds: float, whole: float) -> str:
  return f'{100 * seconds / whole:.1f} %'
