"""Whether a run may go on, and as what: more of the same, or what is accepted.

A run that goes on is the run that its settings of now would have given from the
start: the batch at a step, and its learning rate, are what they were for all
steps that are taken. Whatever else differs is refused, or accepted by
`config.checkpoint.accept` and written down.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath

from vidpetl import mistakes
from vidpetl.experiment import optimizer
from vidpetl.training import identity
from vidpetl.training import run as run_lib

# The length of a run, and its rates: they may change for what is to come.
_COURSE = re.compile(
  r'steps|optimizer\.'
  r'(learning_rate|schedule|final|milestones|tails|warmup_epochs)'
)


def resumed(
  run: run_lib.Run,
  saved: Mapping[str, Any],
  now: Mapping[str, Any],
  step: int,
  workdir: epath.Path,
) -> list[dict[str, Any]]:
  """Returns the history of a run that goes on.

  Args:
    run: that goes on.
    saved: meta of the checkpoint that it goes on from.
    now: meta of those that it will save.
    step: of the checkpoint.
    workdir: of the run.

  Returns:
    A record of each time that the run went on with other settings: at which
    step ('at'), and field -> values then and now ('changed').

  Raises:
    ValueError: naming each field that differs and may not, with both values.
  """
  then, fields = identity.of_meta(saved), identity.of_meta(now)
  if 'config' not in saved:
    then |= _course_of_file(workdir / 'config.json')
    fields = {name: fields[name] for name in then if name in fields}
    mistakes.note(
      f'the checkpoints of {workdir} are of an older version: of the settings '
      f'that it was begun with, only {", ".join(then)} are compared'
    )
  changed = identity.changes(then, fields)
  accept = run.config.checkpoint.accept
  taken = identity.accepted(accept, changed, then | identity.of_meta(now))
  left = {name: pair for name, pair in changed.items() if name not in taken}
  course = {name: left[name] for name in left if _COURSE.fullmatch(name)}
  why = _Course(run, then, step, workdir).refusal() if course else ''
  refused = left if why else {k: left[k] for k in left if k not in course}
  if refused:
    raise ValueError(_refusal(refused, step, workdir) + why)
  if run.total < step:
    raise ValueError(
      f'{workdir} has taken {step} steps, and with these settings its run '
      f'would end after {run.total}; use another --workdir.'
    )
  history = list(saved.get('history', []))
  if changed:
    history.append({'at': step, 'changed': identity.as_json(changed)})
  return history


def _refusal(refused: identity.Changes, step: int, workdir: epath.Path) -> str:
  return (
    f'{workdir} holds a run that these settings do not continue: '
    f'{identity.told(refused)}. Give what it was begun with, or another '
    f'--workdir; or add {identity.flag(refused)} to go on from step {step} as '
    'it is now, which is then written down.'
  )


def check_accepted(run: run_lib.Run, now: Mapping[str, Any]) -> None:
  """Raises ValueError if `config.checkpoint.accept` names what is no field."""
  accept = run.config.checkpoint.accept
  identity.accepted(accept, {}, identity.of_meta(now))


def lines(history: list[dict[str, Any]]) -> list[str]:
  """Returns what became of a run's settings, a line for each that changed."""
  return [
    f'At step {one["at"]} {name} became {json.dumps(now)}; it was '
    f'{json.dumps(then)}.'
    for one in history
    # Once, a history held the number of steps alone.
    for name, (then, now) in one.get(
      'changed', {'steps': one.get('steps', (None, None))}
    ).items()
  ]


def _course_of_file(file: epath.Path) -> identity.Fields:
  """Returns the rates that config.json has; {} if there is none."""
  if not file.exists():
    return {}
  fields = json.loads(file.read_text()).get('optimizer', {})
  named = {f'optimizer.{name}': value for name, value in fields.items()}
  return {k: v for k, v in named.items() if _COURSE.fullmatch(k)}


@dataclasses.dataclass(frozen=True)
class _Course:
  """A run that is to be longer, or to have other rates.

  Attributes:
    run: that goes on.
    then: fields of the run so far.
    step: that it goes on from.
    workdir: of it.
  """

  run: run_lib.Run
  then: identity.Fields
  step: int
  workdir: epath.Path

  def refusal(self) -> str:
    """Returns why steps that were taken would have been others, '' if not."""
    total = self.run.total
    if total < self.then['steps']:
      return ' A run can be given more steps, not fewer.'
    mixture = self.run.mixture
    shared_out = mixture.mode == 'permuted' and len(mixture.names) > 1
    if shared_out and total > self.then['steps']:
      return (
        " config.mixture.mode='permuted' shares out all steps of a run, so "
        f'that {self._anew()}'
      )
    return self._other_rates()

  def _other_rates(self) -> str:
    config = self.run.config.optimizer.to_dict()
    before = {
      name: self.then.get(f'optimizer.{name}', value)
      for name, value in config.items()
    }
    old = self._rates(before, self.then['steps'])
    new = self._rates(config, self.run.total)
    if np.array_equal(old, new):
      return ''
    first = int(np.flatnonzero(old != new)[0])
    begin = max(self.step, 1)
    if self.run.total > self.then['steps']:
      begin = self.then['steps']
    return (
      f' {old[first]:.4g} was the learning rate of step {first}, and '
      f'{new[first]:.4g} would be. A schedule that does not depend on the '
      "run's length goes on, and so does a new tail: "
      f'--config.optimizer.tails="(({begin / self.run.epoch:.10g},'
      f"'constant',{0.01 * config['learning_rate']:g}),)\". Or {self._anew()}"
    )

  def _rates(self, config: Mapping[str, Any], total: int) -> np.ndarray:
    """Returns the rates of the steps that are taken, [step]."""
    # Of a run that was shorter, the tails of now are behind its end.
    epoch = self.run.epoch
    tails = [t for t in config.get('tails', ()) if round(t[0] * epoch) < total]
    rate = optimizer.schedule({**config, 'tails': tails}, epoch, total)
    return np.asarray(jax.vmap(rate)(jnp.arange(self.step)))

  def _anew(self) -> str:
    return (
      f'start a new run from this one: --config.init.path={self.workdir}, '
      'with another --workdir.'
    )
