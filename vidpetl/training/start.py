"""How a run starts, to train and to evaluate alike: fresh, or where it was."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
from etils import epath

from vidpetl import durable
from vidpetl.experiment import labels as labels_lib
from vidpetl.experiment import state as state_lib
from vidpetl.training import (
  checkpoint,
  continuing,
  damage,
  filling,
  holding,
  identity,
  pending,
)
from vidpetl.training import run as run_lib

REPORT = 'init_report.txt'


@dataclasses.dataclass(frozen=True)
class Start:
  """A state to begin with.

  Attributes:
    state: of the run.
    step: finished steps.
    meta: what is saved beside each checkpoint.
    before: what is known of the losses before it; see `pending.Pending.record`.
  """

  state: state_lib.TrainState
  step: int
  meta: dict[str, Any]
  before: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def resume(
  run: run_lib.Run,
  checkpoints: checkpoint.Checkpoints,
  say: Callable[[str], None],
  workdir: epath.Path | None,
) -> Start:
  """Returns where a run trains from: its latest checkpoint that is sound.

  Those behind it, which are damaged, are set aside, and that is said. Without
  any checkpoint the run begins. The arguments are those of `begin`.

  Raises:
    ValueError: if all of them are damaged; they stay where they are.
  """
  damaged: dict[int, damage.DamagedError] = {}
  for step in [*reversed(checkpoints.steps())] or [None]:
    words: list[str] = []
    try:
      begun = begin(run, checkpoints, step, words.append, workdir)
    except damage.DamagedError as error:
      damage.agree(error)
      damaged[step] = error
      continue
    for bad, error in damaged.items():
      say(checkpoints.set_damaged_aside(bad, error))
    for text in words:
      say(text)
    return begun
  told = '; '.join(f'{error.folder}: {error.why}' for error in damaged.values())
  raise ValueError(
    f'All checkpoints of {checkpoints.folder} are damaged ({told}). Put copies '
    'of them in their place; or begin anew, in another --workdir or with this '
    'folder moved away.'
  )


def begin(
  run: run_lib.Run,
  checkpoints: checkpoint.Checkpoints,
  step: int | None,
  say: Callable[[str], None],
  workdir: epath.Path | None,
) -> Start:
  """Returns the first state of a run, having said where it comes from.

  Args:
    run: that begins.
    checkpoints: of it.
    step: of the checkpoint that it begins at; None begins with what
      `config.init` says.
    say: tells a user a line.
    workdir: gets init_report.txt, unless a run in it has left one; None for
      all processes but the first.

  Raises:
    ValueError: for a checkpoint of another run; see also `initialise.start`.
  """
  begun = _begin(run, checkpoints, step, say, workdir)
  if run.cache and not run.cache.filled:  # Runs of a group share it.
    filling.fill(run, begun.state, say)
  return begun


def _begin(
  run: run_lib.Run,
  checkpoints: checkpoint.Checkpoints,
  step: int | None,
  say: Callable[[str], None],
  workdir: epath.Path | None,
) -> Start:
  """Returns the first state of a run; see `begin`."""
  evaluation = run.config.mode == 'eval'
  if step is not None and evaluation:
    say(f'Evaluating step {step} of {checkpoints.folder}.')
    saved = checkpoints.meta(step)
    _check_labels(run, saved, checkpoints.folder / str(step))
    state = run.restore(checkpoints, step)
    _tell(run, say, None)
    return Start(state, step, saved)
  saved = {} if step is None else checkpoints.meta(step)
  seed = _first_seed(saved, run.config.seed)
  state, origin = run.init_state(step is not None, evaluation, seed)
  meta = identity.meta(run, _data(run), run.hash_frozen(state))
  more = {'origin': origin, 'history': [], 'labels': _labels(run)}
  meta |= {'first_seed': seed}
  if step is None:
    continuing.check_accepted(run, meta)
    say(
      f'{"Evaluating" if evaluation else "Starting at step 0 from"} {origin}.'
    )
    # What a run in this folder had started from stays on file.
    kept = checkpoints.latest() is not None
    _tell(run, say, None if kept else workdir)
    return Start(state, 0, meta | more)
  folder = checkpoints.folder
  history = continuing.resumed(run, saved, meta, step, folder.parent)
  more |= {'origin': saved['origin'], 'history': history}
  say(
    f'Resuming at step {step} of {run.total} from {folder} (which had started '
    f'from {saved["origin"]}).'
  )
  for line in continuing.lines(history):
    say(line)
  state = _restored(checkpoints, step, state, history)
  before = {k: saved[k] for k in pending.FIELDS if k in saved}
  if len(history) > len(saved.get('history', [])):
    # What was accepted may be a loss of another scale.
    before.pop(pending.LOSSES, None)
    if workdir is not None:
      _keep_config(saved, workdir / f'config.until_{step}.json')
  return Start(state, step, meta | more, before)


def _first_seed(saved: Mapping[str, Any], seed: int) -> int:
  """Returns the seed of which what is frozen was drawn, if nothing was read.

  Args:
    saved: meta of the checkpoint that a run goes on from, {} if it is new.
    seed: of the run.
  """
  # Older versions had one seed in all of a run.
  return saved.get('first_seed', saved.get('seed', seed))


def _data(run: run_lib.Run) -> dict[str, Any]:
  """Returns what tells the data of a run, as the first process reads them."""
  first = jax.process_index() == 0
  return json.loads(holding.of_first(json.dumps(run.data) if first else ''))


def _restored(
  checkpoints: checkpoint.Checkpoints,
  step: int,
  state: state_lib.TrainState,
  history: Sequence[Mapping[str, Any]],
) -> state_lib.TrainState:
  """Returns the state of a checkpoint that a run goes on from.

  Raises:
    ValueError: if what was accepted needs a state of other parts.
  """
  last = history[-1] if history else {}
  changed = last.get('changed', {}) if last.get('at') == step else {}
  try:
    return checkpoints.restore(step, state)
  except (ValueError, KeyError, TypeError) as error:
    if not changed:
      raise
    raise ValueError(
      f'{checkpoints.folder / str(step)} holds a state of other parts than '
      f'with the accepted {", ".join(changed)}; what adds parameters, or state '
      'of the optimizer, cannot be accepted. Start a new run from this one: '
      f'--config.init.path={checkpoints.folder.parent}, with another --workdir.'
    ) from error


def _keep_config(saved: Mapping[str, Any], path: epath.Path) -> None:
  """Keeps the config that a run had so far, if its checkpoint knows it."""
  if 'config' in saved:
    durable.write(path, json.dumps(saved['config'], indent=2) + '\n')


def _labels(run: run_lib.Run) -> dict[str, dict[str, str]]:
  """Returns what the outputs of each head mean, as json has it."""
  known = run.experiment.labels.items()
  return {task: labels_lib.to_json(found) for task, found in known if found}


def _check_labels(
  run: run_lib.Run, saved: Mapping[str, Any], folder: epath.Path
) -> None:
  """Refuses to evaluate a checkpoint on data whose classes are others.

  Raises:
    ValueError: naming what differs.
  """
  for task, found in saved.get('labels', {}).items():
    theirs = labels_lib.of_json(found)
    ours = run.experiment.labels.get(task, {})
    if labels_lib.compare(theirs, ours, task, str(folder)).order:
      raise ValueError(
        f'{folder} was trained on the classes of config.tasks.{task} in '
        f"another order; config.eval_checkpoint='none' with config.init.path="
        f'{folder} puts the outputs of its head into that of the data.'
      )


def _tell(
  run: run_lib.Run, say: Callable[[str], None], workdir: epath.Path | None
) -> None:
  """Says what a user should know of what the run starts from, and keeps it."""
  for note in run.notes:
    say(note)
  if run.report is None:
    return
  for note in run.report.notes:
    say(note)
  if workdir is not None:
    durable.write(workdir / REPORT, run.report.whole() + '\n')
