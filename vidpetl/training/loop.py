"""The one loop: train, evaluate, save, resume."""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from etils import epath

from vidpetl import durable
from vidpetl.experiment import complete, spec
from vidpetl.experiment import state as state_lib
from vidpetl.metrics import metric as metric_lib
from vidpetl.parameters import storage, variables
from vidpetl.training import (
  checkpoint,
  compiling,
  divergence,
  ending,
  evaluation,
  feed,
  holding,
  interruption,
  logbook,
  pending,
  predictions,
  reporting,
  results,
  sharding,
  writers,
)
from vidpetl.training import run as run_lib
from vidpetl.training import start as start_lib


def run(
  config: Any,
  workdir: str,
  told: Mapping[str, str] | None = None,
  command: str = '',
  compared: Sequence[str] = (),
) -> dict[str, Any] | None:
  """Trains, or evaluates, as `config.mode` says.

  Args:
    config: see `configs/`.
    workdir: of the run; with checkpoints in it, the run goes on.
    told: what the command line says of the run, for those who compare it.
    command: that was typed, if it makes this run alone.
    compared: '<task>/<metric>' by which the run will be compared with others;
      it does not begin without them.

  Returns:
    What its file of results holds; None if the run was told to stop.
  """
  mesh = sharding.make_mesh(**config.mesh.to_dict())
  sharding.meet(mesh)
  with holding.workdir(workdir), jax.set_mesh(mesh):
    loop = Loop(config, workdir, compared)
    try:
      if config.mode == 'train':
        return loop.train(told, command)
      if config.mode == 'eval':
        return loop.evaluate_checkpoint()
      raise ValueError(f"config.mode {config.mode!r} is not 'train' or 'eval'.")
    except interruption.Interrupted as stop:
      loop.stop(str(stop))
      return None
    finally:
      loop.close()


class Loop:
  """A run, with all that it writes."""

  def __init__(self, config: Any, workdir: str, compared: Sequence[str] = ()):
    started = time.perf_counter()
    self.first = jax.process_index() == 0
    self.workdir = epath.Path(workdir)
    self.kept_in = self.workdir if self.first else None
    if self.first:
      writers.check(complete.complete(config).writers)
    self.run = run_lib.prepare(config, workdir, compared)
    self.config = config = self.run.config
    self.checkpoints = checkpoint.Checkpoints(
      workdir, config.checkpoint.keep, config.checkpoint.best
    )
    self.predictors = self.run.predictors()
    self.comparers = self.run.comparers()
    self.logbook = logbook.Logbook(self.run, self.workdir, started)
    self.say = self.logbook.say
    self.ahead = compiling.ahead(self.run, self.checkpoints.latest())
    self.files = predictions.Files(self.workdir, self.run.train)
    self.asked = interruption.Interruption()

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
    self.asked.restore()
    self.ahead.close()
    self.logbook.close()
    self.checkpoints.close()
    if len(self.run.quarantine):
      path = self.workdir / f'undecodable.{jax.process_index()}.csv'
      self.run.quarantine.write(path)
      for share in self.run.quarantine.shares():
        self.say(f'{share}.')
      self.say(f'{len(self.run.quarantine)} undecodable videos: see {path}')

  # ------------------------------------------------------------------ training

  def train(
    self, told: Mapping[str, str] | None = None, command: str = ''
  ) -> dict[str, Any] | None:
    """Trains to the last step, evaluates, and returns the results.

    Args:
      told: what the command line says of the run.
      command: that was typed.
    """
    begun = start_lib.resume(self.run, self.checkpoints, self.say, self.kept_in)
    state, start, self.meta = begun.state, begun.step, begun.meta
    self.evaluations = reporting.Evaluations(
      self.workdir, start, write=self.first
    )
    if start == self.run.total and start in self.evaluations:
      choice = self._chosen()
      if ended := ending.read(self.workdir, choice, self.meta):
        self.logbook.tell(results.choice(ended))
        return ended
    self.logbook.describe(state, start, told or {}, command)
    if self.first:
      self.files.write_classes()
      self.spec = self.run.spec()
      spec.write(self.workdir, self.spec)
    self.asked.listen()
    # An evaluation that failed, or was cut short, is made up for.
    if start and self._evaluates_after(start) and start not in self.evaluations:
      self._evaluate(state, start)
    state = self._train(begun)
    choice, state = self._choose(state)
    if state.frozen:
      self._write_package(state, choice)
    if self.first:
      ending.leave_exemplars(self.run, self.files, self.workdir, choice)
    return self._finish(choice)

  def _train(self, begun: start_lib.Start) -> state_lib.TrainState:
    """Takes the steps that are left; see `_take_steps`.

    Raises:
      DivergedError: with the checkpoint that is good, and how to go on.
    """
    start = begun.step
    waiting = pending.Pending(self.run, start, begun.before)
    source = feed.Feed(
      range(start, self.run.total),
      self.run.mixture.task,
      self.run.train_batches(start),
      lambda rows: sharding.to_device(rows, self.run.mesh),
      self.config.input.ready,
      waiting.done,
    )
    try:
      return self._take_steps(begun.state, start, waiting, source)
    except divergence.DivergedError as error:
      self.logbook.leave(waiting)
      raise ending.diverged(error, self.checkpoints, self.config) from None
    except BaseException:
      self.logbook.leave(waiting)
      raise
    finally:
      source.close()

  def _take_steps(
    self,
    state: state_lib.TrainState,
    start: int,
    waiting: pending.Pending,
    source: feed.Feed,
  ) -> state_lib.TrainState:
    """Returns the last state; logs, saves and evaluates between the steps.

    Raises:
      Interrupted: if the run was told to stop.
    """
    steps = self.run.train_steps()
    for step, name, batch in source:
      if self.run.starts_epoch(step):
        state = self.run.begin_epoch(state)
      self.ahead.wait(name)
      state, scalars = steps[name](state, batch, rates=self.run.rates(step))
      waiting.add(step, name, scalars)
      done = step + 1
      if step == start:
        jax.block_until_ready(state)
        self.logbook.first_step(done)
      self.logbook.take(done, waiting, source, self._stands_after(done))
      self._save_and_evaluate(state, done, waiting)
      why = self.asked.requested()
      if why and done < self.run.total:
        self.logbook.catch_up(waiting, source)
        self._save(state, done, waiting)
        raise interruption.Interrupted(why)
    return state

  def _save_and_evaluate(
    self, state: state_lib.TrainState, done: int, waiting: pending.Pending
  ) -> None:
    """Saves and evaluates a state, if the one or the other is due."""
    if not self._stands_after(done):
      return
    saved = self._save(state, done, waiting)
    if saved and self._evaluates_after(done):
      # Whatever becomes of the evaluation, no step is lost.
      self.checkpoints.wait()
      self._evaluate(state, done)

  def _save(
    self, state: state_lib.TrainState, done: int, waiting: pending.Pending
  ) -> bool:
    """Saves a state unless it has diverged; returns whether it did.

    Raises:
      DivergedError: for losses that are no numbers; of the last step also for
        one that is far above those before.
    """
    rise = waiting.rise()
    if rise and done == self.run.total:
      raise rise
    if rise:
      self.say(f'Step {done} is neither saved nor evaluated. {rise}')
      return False
    # A resumed run keeps what is written up to its checkpoint.
    try:
      self.logbook.writer.flush()
    finally:
      self.checkpoints.save(state, done, self.meta | waiting.record())
    return True

  def _evaluate(self, state: state_lib.TrainState, step: int) -> None:
    """Makes one of the evaluations that the reported one is chosen from."""
    found = self.evaluate(state, step, held_out=bool(self.run.validation))
    self.checkpoints.score(step, reporting.flat(found))
    self.evaluations.add(step, found)
    if self.first:
      self.files.prune({step, *self._chosen().used})

  def _chosen(self) -> reporting.Choice:
    """Returns which of the evaluations so far would be reported."""
    among = None
    if self.checkpoints.lost():
      among = {*self.checkpoints.steps(), self.run.total}
    return self.evaluations.choose(
      self.config.report,
      self.config.checkpoint.best,
      reporting.HELD_OUT if self.run.validation else reporting.TEST,
      among,
    )

  def _choose(
    self, state: state_lib.TrainState
  ) -> tuple[reporting.Choice, state_lib.TrainState]:
    """Returns what is reported, and its state if that is used.

    Where the test set has not chosen, its test is what is reported.

    Args:
      state: the last one.
    """
    if not (self.run.validation or state.frozen):
      return self._chosen(), state
    choice, state = ending.chosen(
      self._chosen, self.run.total, state, self.checkpoints, self.say
    )
    if self.run.validation:
      found = self.evaluate(state, choice.step)
      choice = dataclasses.replace(choice, found=found)
    return choice, state

  def _write_package(
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

  def _evaluates_after(self, done: int) -> bool:
    """Whether the last step of the run, or of so many epochs, is done."""
    if done == self.run.total:
      return True
    return evaluation.is_due(
      done, self.config.eval_every_epochs * self.run.epoch
    )

  def _stands_after(self, done: int) -> bool:
    """Whether a state is saved or evaluated, for which it is waited."""
    saves = done % self.config.checkpoint.every == 0
    return saves or self._evaluates_after(done)

  # ---------------------------------------------------------------- evaluation

  def evaluate(
    self, state: state_lib.TrainState, step: int, held_out: bool = False
  ) -> dict[str, Any]:
    """Evaluates every task that has an evaluation set; writes what it finds.

    Args:
      state: whose parameters.
      step: of the state.
      held_out: on the training examples that are held out, not on the test.
    """
    found, prefix = {}, reporting.VALIDATION if held_out else ''
    sources = self.run.validation if held_out else self.run.evaluation
    counted = self.run.held_out if held_out else self.run.tested
    for name, source in sources.items():
      began = time.perf_counter()
      task = self.run.experiment.tasks[name]
      metric = task.metric(source)
      undecodable = evaluation.evaluate(
        metric,
        source,
        self.run.eval_batches(name, held_out),
        lambda rows, name=name: self.predictors[name](
          state, sharding.to_device(rows, self.run.mesh)
        ),
        self.asked.check,
      )
      self.run.quarantine.require(source, undecodable)
      if isinstance(metric, metric_lib.Relative):
        metric.compare(functools.partial(self.comparers[name], state))
      found[name] = {
        'metrics': metric.result(),
        'report': metric.report(),
        'examples': len(counted[name]),
        'undecodable': undecodable,
        'seconds': time.perf_counter() - began,
      }
      if self.first:
        self.files.write(name, step, metric, prefix)
        self.logbook.show(step, f'{prefix}{name}', metric.pictures())
    tagged = {f'{prefix}{k}': v for k, v in found.items()}
    self.logbook.writer.write_scalars(step, reporting.flat(tagged))
    self.logbook.writer.write_texts(
      step, {k: f'```\n{v["report"]}\n```' for k, v in tagged.items()}
    )
    self.logbook.writer.flush()
    self.say(results.line(step, found, held_out))
    return found

  def evaluate_checkpoint(self) -> dict[str, Any]:
    """Evaluates `config.eval_checkpoint`."""
    wanted, step = str(self.config.eval_checkpoint), None
    if wanted != 'none':
      step = self.checkpoints.find(wanted, 'config.eval_checkpoint')
    begun = start_lib.begin(
      self.run, self.checkpoints, step, self.say, self.kept_in
    )
    state, step, self.meta = begun.state, begun.step, begun.meta
    if wanted != 'none':
      self.logbook.open()
    self.asked.listen()
    found = self.evaluate(state, step)
    choice = reporting.Choice(
      'checkpoint', step, (step,), by=wanted, found=found
    )
    record = self._finish(choice)
    if self.first:
      ending.leave_exemplars(self.run, self.files, self.workdir, choice)
    return record

  def _finish(self, choice: reporting.Choice) -> dict[str, Any]:
    """Writes the results, and prints the table."""
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
