"""One run, alone or among others that train with it: its folder and its books.

What is written of a run is the same either way: config.json, curves,
checkpoints, evaluations, predictions, results, and the adapter package.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from etils import epath

from vidpetl import durable
from vidpetl.experiment import spec
from vidpetl.experiment import state as state_lib
from vidpetl.metrics import metric as metric_lib
from vidpetl.parameters import storage, variables
from vidpetl.training import (
  alone,
  checkpoint,
  divergence,
  ending,
  evaluation,
  logbook,
  pending,
  predictions,
  reporting,
  results,
  rounding,
  shares,
)
from vidpetl.training import run as run_lib
from vidpetl.training import start as start_lib


class Candidate:
  """A run, with all that it writes.

  Attributes:
    run: its config, data and devices.
    number: its place among those that train together, from 0.
    workdir: of the run.
    checkpoints: of it.
    logbook: of it.
    waiting: scalars of its steps that are not written yet.
    evaluations: that it has made.
    error: that it was left out for; None as long as it trains.
  """

  def __init__(
    self,
    run: run_lib.Run,
    workdir: epath.PathLike,
    started: float,
    number: int = 0,
    name: str = '',
  ):
    """Opens the folder.

    Args:
      run: its config, data and devices.
      workdir: of the run.
      started: when it began, by `time.perf_counter`.
      number: its place among those that train together.
      name: in front of what is told of it.
    """
    self.first = jax.process_index() == 0
    self.workdir = epath.Path(workdir)
    self.run, self.config, self.number = run, run.config, number
    self.checkpoints = checkpoint.Checkpoints(
      workdir, self.config.checkpoint.keep, self.config.checkpoint.best
    )
    leads = not number or run.has_own_data
    self.logbook = logbook.Logbook(run, self.workdir, started, name, leads)
    self.say = self.logbook.say
    self.files = predictions.Files(self.workdir, run.train)
    self.error: Exception | None = None

  def begin(self, step: int | None) -> start_lib.Start:
    """Returns the state of a checkpoint, or that before step 0 for None."""
    kept_in = self.workdir if self.first else None
    begun = start_lib.begin(self.run, self.checkpoints, step, self.say, kept_in)
    self.meta = begun.meta
    self._tell_rounding(begun)
    return begun

  def resume(self) -> start_lib.Start:
    """Returns where it trains from."""
    kept_in = self.workdir if self.first else None
    begun = start_lib.resume(self.run, self.checkpoints, self.say, kept_in)
    self.meta = begun.meta
    self.evaluations = reporting.Evaluations(
      self.workdir, begun.step, write=self.first
    )
    self.waiting = pending.Pending(self.run, begun.step, begun.before)
    self._tell_rounding(begun)
    return begun

  def _tell_rounding(self, begun: start_lib.Start) -> None:
    """Says what fewer bits of frozen kernels change: of a group, once."""
    if self.run.source and not self.number:
      self.say(rounding.told(self.run, begun.state))

  def ended(self) -> dict[str, Any] | None:
    """Returns the results, told again, if it had ended before."""
    if self.run.total not in self.evaluations:
      return None
    record = ending.read(self.workdir, self.chosen(), self.meta)
    if record:
      self.logbook.tell(results.choice(record))
    return record

  def describe(
    self, begun: start_lib.Start, told: Mapping[str, str], command: str
  ) -> None:
    """Writes what does not change while it trains; see `Logbook.describe`."""
    self.logbook.describe(begun.state, begun.step, told, command)
    if self.first:
      self.files.write_classes()
      self.spec = self.run.spec()
      spec.write(self.workdir, self.spec)

  def stop(self, why: str) -> None:
    """Says what the same command does, once all is saved that was trained."""
    if self.config.mode == 'eval':
      self.say(f'{why}: the same command evaluates from the beginning.')
      return
    self.checkpoints.wait()
    at = self.checkpoints.latest() or 0
    self.say(f'{why}: saved step {at}; the same command goes on.')

  def close(self) -> None:
    """Finishes what is being written; says which videos were left out."""
    self.logbook.close()
    self.checkpoints.close()
    if len(self.run.quarantine):
      path = self.workdir / f'undecodable.{jax.process_index()}.csv'
      self.run.quarantine.write(path)
      for share in self.run.quarantine.shares():
        self.say(f'{share}.')
      self.say(f'{len(self.run.quarantine)} undecodable videos: see {path}')

  # -------------------------------------------------------------- while it runs

  def evaluates_after(self, done: int) -> bool:
    """Whether the last step of the run, or of so many epochs, is done."""
    if done == self.run.total:
      return True
    return evaluation.is_due(
      done, self.config.eval_every_epochs * self.run.epoch
    )

  def stands_after(self, done: int) -> bool:
    """Whether a state is saved or evaluated, for which it is waited."""
    saves = done % self.config.checkpoint.every == 0
    return saves or self.evaluates_after(done)

  def save(self, state: state_lib.TrainState, done: int) -> None:
    """Saves a state of it."""
    # A resumed run keeps what is written up to its checkpoint.
    try:
      self.logbook.writer.flush()
    finally:
      self.checkpoints.save(state, done, self.meta | self.waiting.record())

  def risen(self, done: int) -> bool:
    """Says so if a state has diverged, which then is not saved.

    Raises:
      DivergedError: for losses that are no numbers; of the last step also for
        one that is far above those before.
    """
    rise = self.waiting.rise()
    if rise and done == self.run.total:
      raise rise
    if rise:
      self.say(f'Step {done} is neither saved nor evaluated. {rise}')
    return bool(rise)

  def leave(self, error: BaseException) -> Exception | None:
    """Keeps what was not written yet of a run that an error stops.

    Returns:
      What to raise in place of the error: of one that has diverged, it says
      how to go on. None stands for the error itself.
    """
    self.logbook.leave(self.waiting)
    if not isinstance(error, divergence.DivergedError):
      return None
    return ending.diverged(error, self.checkpoints, self.config)

  # ----------------------------------------------------------------- evaluation

  def show(
    self, step: int, name: str, metric: metric_lib.Metric, held_out: bool
  ) -> dict[str, Any]:
    """Writes what was measured of a task; returns its metrics and table."""
    if self.first:
      prefix = _prefix(held_out)
      self.files.write(name, step, metric, prefix)
      self.logbook.show(step, f'{prefix}{name}', metric.pictures)
    return {'metrics': metric.result(), 'report': metric.report()}

  def tell(self, step: int, found: Mapping[str, Any], held_out: bool) -> None:
    """Writes scalars and tables of an evaluation of all tasks."""
    tagged = {f'{_prefix(held_out)}{k}': v for k, v in found.items()}
    writer = self.logbook.writer
    writer.write_scalars(step, reporting.flat(tagged))
    writer.write_texts(
      step, {k: f'```\n{v["report"]}\n```' for k, v in tagged.items()}
    )
    writer.flush(wait=False)
    kept = held_out or not (self.config.test or not self.config.validation)
    self.say(results.line(step, found, kept))

  def add(self, step: int, found: Mapping[str, Any]) -> None:
    """Takes one of the evaluations that the reported one is chosen from."""
    self.checkpoints.score(step, reporting.flat(found))
    self.evaluations.add(step, found)
    if self.first:
      self.files.prune({step, *self.chosen().used})

  def chosen(self) -> reporting.Choice:
    """Returns which of the evaluations so far would be reported."""
    among = None
    if self.checkpoints.lost():
      among = {*self.checkpoints.steps(), self.run.total}
    return self.evaluations.choose(
      self.config.report,
      self.config.checkpoint.best,
      reporting.measured_on(self.config),
      among,
    )

  # ---------------------------------------------------------------- how it ends

  def account(self, *records: Mapping[str, Any], told: bool) -> None:
    """Writes, and tells, where time went: in training, in its evaluations."""
    if not self.first:
      return
    named = dict(zip(shares.LOOPS, records, strict=True))
    path = self.workdir / shares.FILE
    durable.write(path, json.dumps(named, indent=2) + '\n')
    for name, record in named.items():
      if told and record['spent']:
        self.say(shares.line(f'Time of {name}', record))

  def choose(
    self, state: state_lib.TrainState
  ) -> tuple[reporting.Choice, state_lib.TrainState]:
    """Returns what is reported, and its state if that is used.

    Args:
      state: the last one.
    """
    if not (self.run.validation or state.frozen):
      return self.chosen(), state
    return ending.chosen(
      self.chosen, self.run.total, state, self.checkpoints, self.say
    )

  def write_package(
    self, state: state_lib.TrainState, choice: reporting.Choice
  ) -> None:
    """Writes what is reported, on top of the frozen parameters."""
    arrays = variables.flatten(state.variables) | self.run.source
    arrays = storage.to_host(arrays)
    if self.first:
      said = ending.write_package(
        self.run, self.spec, arrays, self.workdir, self.meta['origin'], choice
      )
      self.say(said)

  def leave_exemplars(self, choice: reporting.Choice) -> None:
    """Puts reported exemplars where the model is used from."""
    if self.first:
      ending.leave_exemplars(self.run, self.files, self.workdir, choice)

  def finish(self, choice: reporting.Choice) -> dict[str, Any]:
    """Writes the results, and prints the table."""
    self.logbook.settle()
    record = results.record(self.run, choice, self.meta)
    self.logbook.report(choice)
    if self.first:
      for name, task in record['tasks'].items():
        if rows := self.files.read_per_class(name, choice.step):
          task['classes'] = rows
      path = self.workdir / results.FILES[self.config.mode]
      durable.write(path, json.dumps(record, indent=2) + '\n')
      self.logbook.tell(choice)
    return record


def resume(candidates: Sequence[Candidate]) -> list[start_lib.Start]:
  """Returns where runs train from; what all have frozen is kept once."""
  begun: list[start_lib.Start] = []
  for each in candidates:
    start = each.resume()
    if begun and start.meta['frozen'] == begun[0].meta['frozen']:
      state = start.state.replace(frozen=begun[0].state.frozen)
      start = dataclasses.replace(start, state=state)
    begun.append(start)
  return begun


def agreed(begun: Sequence[start_lib.Start]) -> int:
  """Returns the step that all runs begin at.

  Raises:
    UnlikeError: if it is not one, or if other parameters are frozen.
  """
  steps = [each.step for each in begun]
  if len(set(steps)) > 1:
    raise alone.UnlikeError(f'These runs go on from steps {steps}.')
  if len({each.meta['frozen'] for each in begun}) > 1:
    raise alone.UnlikeError(
      'Other parameters are frozen in some of these runs.'
    )
  return steps[0]


def _prefix(held_out: bool) -> str:
  return reporting.VALIDATION if held_out else ''
