"""Which runs train together, and what each of them is then.

Runs may train together that differ in `ARGUMENTS` alone, which their program
takes as numbers, and in their data. All other fields are in the program.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from etils import epath

from vidpetl.experiment import complete, optimizer, pixels
from vidpetl.parameters import trainable
from vidpetl.recipes import defaults
from vidpetl.training import alone, apart, identity, splits, together
from vidpetl.training import member as member_lib
from vidpetl.training import numbers as numbers_lib
from vidpetl.training import run as run_lib

# Fields that runs which train together may differ in, besides the numbers of
# `training.numbers` and `DATA`: regexes.
ARGUMENTS = (
  'seed',
  r'optimizer\.(learning_rate|schedule|final|warmup_epochs|milestones|tails)',
  r'optimizer\.groups\.[^.]+\.(lr_scale|weight_decay)',
)
# Fields that say which examples there are, and in which order they come.
DATA = ('data_seed', r'tasks\.[^.]+\.(train|eval)(\..*)?')
_FREE = re.compile('|'.join((*ARGUMENTS, *DATA)))
_DATA = re.compile('|'.join(DATA))
# A program takes as many steps as its longest run has; of the shortest's.
_LONGER = 1.25


def shared(config: Any) -> dict[str, Any]:
  """Returns the fields that runs have to agree in, to train together.

  Where parameters are frozen that may be drawn, their seed is among them.

  Args:
    config: of a run.
  """
  fields = identity.flat(complete.as_json(config))
  free = numbers_lib.among(fields)
  fields = {
    k: v for k, v in fields.items() if k not in free and not _FREE.fullmatch(k)
  }
  if not config.init.path and any(
    group == trainable.FROZEN for _, group in config.trainable
  ):
    fields['seed'] = config.seed
  return fields


def data(config: Any) -> dict[str, Any]:
  """Returns the fields that say what a run's batches are.

  Args:
    config: of a run.
  """
  fields = identity.flat(complete.as_json(config))
  found = {k: v for k, v in fields.items() if _DATA.fullmatch(k)}
  return found | {'data_seed': defaults.data_seed(config)}


@dataclasses.dataclass(frozen=True)
class Length:
  """How long a run is.

  Attributes:
    steps: of it.
    schedule: what decides which of its tasks is served when; () of one task.
  """

  steps: int
  schedule: tuple[Any, ...]

  def fits(self, shortest: Length) -> bool:
    """Whether it may train with a run that has no more steps."""
    alike = self.schedule == shortest.schedule
    return alike and self.steps <= _LONGER * shortest.steps


def length(config: Any) -> Length:
  """Returns how long a run is, by the data that it has.

  Raises:
    ValueError: naming the field that cannot work.
    OSError: if its data cannot be opened.
  """
  config = complete.complete(config)
  train, _, _ = splits.opened(config)
  return _length(config, {name: len(source) for name, source in train.items()})


def _length(config: Any, sizes: Mapping[str, int]) -> Length:
  _, steps = splits.steps(config, sizes)
  several = (sizes, defaults.data_seed(config)) if len(sizes) > 1 else ()
  return Length(steps, several)


def prepare(
  configs: Sequence[Any],
  workdirs: Sequence[epath.PathLike],
  compared: Sequence[str] = (),
) -> together.Together:
  """Opens the data of runs that train together: once, if all have the same.

  Args:
    configs: of each run.
    workdirs: of each.
    compared: metrics by which the runs will be compared.

  Raises:
    UnlikeError: if they cannot train together.
    ValueError: naming the field that cannot work.
  """
  resolved = [
    pixels.resolve(complete.complete(config), workdir)
    for config, workdir in zip(configs, workdirs, strict=True)
  ]
  configs = [config for config, _ in resolved]
  _require_equal(map(shared, configs))
  lead = run_lib.prepare(_with_all_decays(configs), workdirs[0], compared)
  of_data = [data(config) for config in configs]
  own = [each != of_data[0] for each in of_data]
  memory: dict[Any, Any] = {}
  members = []
  for (config, notes), workdir, other in zip(resolved, workdirs, own):
    run, told = lead, lead.notes if not members else notes
    if other:  # What is odd about the same data is told once.
      run = run_lib.prepare(config, workdir, compared)
      _require_alike(lead, run)
      told = run.notes
    members.append(_member(run, config, told, lead, memory))
  return (apart.Apart if any(own) else together.Together)(lead, members)


def _require_equal(fields: Iterable[Mapping[str, Any]]) -> None:
  first, *others = fields
  for other in others:
    if differ := identity.changes(first, other):
      raise alone.UnlikeError(f'These runs differ in {identity.told(differ)}.')


def _require_alike(lead: run_lib.Run, run: run_lib.Run) -> None:
  """Raises UnlikeError for runs whose data make them two programs."""
  sizes = lambda of: {name: len(source) for name, source in of.train.items()}
  several = {
    'classes': lambda of: of.experiment.labels,
    'tasks': lambda of: {
      name: task.resolved() for name, task in of.experiment.tasks.items()
    },
    'schedules': lambda of: _length(of.config, sizes(of)).schedule,
    'epochs': lambda of: sizes(of) if lead.shapes.task_state else (),
  }  # fmt: skip
  for name, of in several.items():
    if of(run) != of(lead):
      raise alone.UnlikeError(f'The data of these runs make other {name}.')


def _with_all_decays(configs: Sequence[Any]) -> Any:
  """Returns a config whose optimizer decays whatever any of them decays."""
  lead = configs[0].copy_and_resolve_references()
  lead.unlock()
  for name, group in lead.optimizer.groups.items():
    group['weight_decay'] = max(
      optimizer.decays(config.optimizer)[name] for config in configs
    )
  return lead.lock()


def _member(
  run: run_lib.Run,
  config: Any,
  notes: Sequence[str],
  lead: run_lib.Run,
  memory: dict[Any, Any],
) -> member_lib.Member:
  """Returns a run with the data of `run`, and all else of `lead`."""
  fields = {f.name: getattr(run, f.name) for f in dataclasses.fields(run)}
  fields.pop('_begin_epoch')
  experiment = dataclasses.replace(run.experiment, config=config)
  own = {'config': config, 'experiment': experiment, 'notes': tuple(notes)}
  return member_lib.Member(**{**fields, **own}, lead=lead, memory=memory)
