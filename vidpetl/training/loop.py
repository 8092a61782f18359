"""The one loop: train, evaluate, save, resume; one run, or several at once."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from vidpetl import garbage
from vidpetl.experiment import complete
from vidpetl.experiment import state as state_lib
from vidpetl.training import (
  alone,
  candidate,
  compiling,
  divergence,
  feed,
  holding,
  interruption,
  reporting,
  shares,
  writers,
)
from vidpetl.training import run as run_lib

Candidate = candidate.Candidate


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
  with holding.on_devices(config, [workdir]):
    loop = one(config, workdir, compared)
    with loop.stopping():
      if config.mode == 'train':
        return loop.train([told or {}], command)[0]
      if config.mode == 'eval':
        return loop.evaluate_checkpoint()
      raise ValueError(f"config.mode {config.mode!r} is not 'train' or 'eval'.")
  return None


def one(config: Any, workdir: str, compared: Sequence[str] = ()) -> Loop:
  """Returns the loop of one run; see `run`."""
  started = time.perf_counter()
  if jax.process_index() == 0:
    writers.check(complete.complete(config).writers)
  prepared = run_lib.prepare(config, workdir, compared)
  return Loop(alone.Alone(prepared), [Candidate(prepared, workdir, started)])


class Loop:
  """Runs of one model on the same batches, with all that they write.

  A run that diverges is left out, and the others go on. One that is alone
  raises its error.

  Attributes:
    run: whose data, devices and schedule it goes by.
    candidates: all runs.
    active: those that have not diverged.
    total: steps of the longest.
  """

  def __init__(self, programs: alone.Alone, candidates: Sequence[Candidate]):
    self.programs, self.candidates = programs, candidates
    self.active = list(candidates)
    self.total = max(each.run.total for each in candidates)
    # Those that took their last step before others have.
    self._ended: dict[int, state_lib.TrainState] = {}
    self.run = programs.run
    self.config = self.run.config
    self.ahead = compiling.ahead(programs, candidates[0].checkpoints.latest())
    self.asked = interruption.Interruption()
    idle = lambda: all(each.waiting.done() for each in self.active)
    self.shares = shares.Shares(idle)
    self.evaluating = shares.Shares(lambda: False)

  @contextlib.contextmanager
  def stopping(self):
    """Ends a context where the runs are told to stop, and closes them."""
    try:
      with self.asked.within():
        yield
    except interruption.Interrupted as stop:
      for each in self.active:
        each.stop(str(stop))
    finally:
      self.close()

  def close(self) -> None:
    """Finishes what is being written; says which videos were left out."""
    self.asked.restore()
    self.ahead.close()
    for each in self.candidates:
      each.close()

  # ------------------------------------------------------------------ training

  def train(
    self, told: Sequence[Mapping[str, str]] = ({},), command: str = ''
  ) -> list[dict[str, Any] | None]:
    """Trains to the last step, evaluates, and returns the results.

    Args:
      told: what the command line says of each run.
      command: that was typed.

    Returns:
      What the file of results of each holds; None for one that was left out.
    """
    begun = candidate.resume(self.candidates)
    start = candidate.agreed(begun)
    if start == self.total:
      ended = [each.ended() for each in self.candidates]
      if all(ended):
        return ended
    for each, start_of, words in zip(self.candidates, begun, told, strict=True):
      each.describe(start_of, words, command)
    state = self.programs.join([each.state for each in begun])
    self.asked.listen()
    # An evaluation that failed, or was cut short, is made up for.
    lacking = [
      each
      for each in self._training(start)
      if start and each.evaluates_after(start) and start not in each.evaluations
    ]
    if lacking:
      self._evaluate(state, start, lacking)
    state = self._train(state, start)
    spent = self.shares.record(), self.evaluating.record()
    for each in self.active:
      each.account(*spent, told=each is self.active[0])
    choices, state = self._choose(state)
    for each, choice in choices.items():
      if state.frozen:
        each.write_package(self.programs.part(state, each.number), choice)
      each.leave_exemplars(choice)
    found = {each: each.finish(choice) for each, choice in choices.items()}
    return [found.get(each) for each in self.candidates]

  def _train(
    self, state: state_lib.TrainState, start: int
  ) -> state_lib.TrainState:
    """Takes the steps that are left; see `_take_steps`.

    Raises:
      DivergedError: with the checkpoint that is good, and how to go on.
    """
    source = feed.Feed(
      range(start, self.total),
      self.run.mixture.task,
      self.programs.batches(start),
      self.programs.to_device,
      self.config.input.ready,
      self.shares.idle,
      self.shares.of,
    )
    for each in self.active:
      each.waiting.of = self.shares.of
    try:
      with self.shares.of(shares.OTHER):
        return self._take_steps(state, start, source)
    except divergence.DivergedError:
      raise
    except BaseException as error:
      for each in self.active:
        each.leave(error)
      raise
    finally:
      source.close()

  def _take_steps(
    self, state: state_lib.TrainState, start: int, source: feed.Feed
  ) -> state_lib.TrainState:
    """Returns the last state; logs, saves and evaluates between the steps.

    Raises:
      Interrupted: if the runs were told to stop.
    """
    for step, name, batch in source:
      if self.run.starts_epoch(step):
        state = self.programs.begin_epoch(state)
      self.ahead.wait((name, True))
      state, scalars = self.programs.step(name, state, batch, step)
      done = step + 1
      for each in self._training(done):
        each.waiting.add(step, name, scalars[each.number])
      if step == start:
        jax.block_until_ready(state)
        garbage.started()
        self.shares.restart()
        self._each(done, lambda each, done=done: each.logbook.first_step(done))
      self._log(done, source)
      self._save_and_evaluate(state, done)
      why = self.asked.requested()
      if why and done < self.total:
        self._each(done, lambda c: c.logbook.catch_up(c.waiting, source))
        self._save(state, done, lambda each: True)
        raise interruption.Interrupted(why)
    return state

  def _training(self, done: int) -> list[Candidate]:
    """Returns the runs that have so many steps, and have not diverged."""
    return [each for each in self.active if done <= each.run.total]

  def _log(self, done: int, source: feed.Feed) -> None:
    """Logs what is due of each run; see `Logbook.take`."""
    stands = any(each.stands_after(done) for each in self._training(done))

    def take(each):
      shown = each is self._training(done)[0]
      each.logbook.take(done, each.waiting, source, stands, shown)

    with self.shares.of(shares.LOGGING):
      self._each(done, take)

  def _each(self, done: int, act: Callable[[Candidate], Any]) -> None:
    """Does something with each run, and leaves those out that have diverged.

    Args:
      done: steps that are done; a run that has fewer is at its end.
      act: what to do.

    Raises:
      DivergedError: if none is left.
    """
    for each in self._training(done):
      try:
        act(each)
      except divergence.DivergedError as error:
        each.error = each.leave(error)
        self.active.remove(each)
        if not self.active:
          raise each.error from None
        each.say(f'left out: {each.error}')

  def _save_and_evaluate(self, state: state_lib.TrainState, done: int) -> None:
    """Saves and evaluates the runs of which the one or the other is due."""
    with self.shares.of(shares.CHECKPOINTS):
      saved = self._save(state, done, lambda each: each.stands_after(done))
    if due := [each for each in saved if each.evaluates_after(done)]:
      self._evaluate(state, done, due)
    for each in saved:
      if done == each.run.total < self.total:
        self._ended[each.number] = self.programs.part(state, each.number)

  def _save(
    self,
    state: state_lib.TrainState,
    done: int,
    due: Callable[[Candidate], bool],
  ) -> list[Candidate]:
    """Saves states that have not diverged; returns the runs that they are of.

    Raises:
      DivergedError: for losses that are no numbers; of the last step also for
        one that is far above those before; if no run is left.
    """
    saved = []

    def save(each):
      if due(each) and not each.risen(done):
        each.save(self.programs.part(state, each.number), done)
        saved.append(each)

    self._each(done, save)
    return saved

  def _evaluate(
    self, state: state_lib.TrainState, step: int, of: Sequence[Candidate]
  ) -> None:
    """Makes one of the evaluations that the reported one is chosen from."""
    with self.shares.of(shares.EVALUATION):
      steps = dict.fromkeys(of, step)
      found = self.evaluate(state, steps, bool(self.run.validation))
    for each in of:
      # It was written meanwhile. What is chosen survives whatever comes.
      with self.shares.of(shares.CHECKPOINTS):
        each.checkpoints.wait()
      each.add(step, found[each])

  def _choose(
    self, state: state_lib.TrainState
  ) -> tuple[dict[Candidate, reporting.Choice], state_lib.TrainState]:
    """Returns what is reported of each run, and its state if that is used.

    Where the test set has not chosen, its test is what is reported.

    Args:
      state: the last one.
    """
    own = [self._last(state, each) for each in self.candidates]
    choices = {}
    for each in self.active:
      choices[each], own[each.number] = each.choose(own[each.number])
    state = self.programs.join(own)
    if self.run.validation:
      found = self.evaluate(state, {k: c.step for k, c in choices.items()})
      choices = {
        each: dataclasses.replace(choice, found=found[each])
        for each, choice in choices.items()
      }
    return choices, state

  def _last(
    self, state: state_lib.TrainState, each: Candidate
  ) -> state_lib.TrainState:
    """Returns the state of a run after its own last step."""
    ended = self._ended.get(each.number)
    if ended is None:
      return self.programs.part(state, each.number)
    # Later steps took over what is the same for all.
    return ended.replace(step=state.step, frozen=state.frozen)

  # ---------------------------------------------------------------- evaluation

  def evaluate(
    self,
    state: state_lib.TrainState,
    steps: Mapping[Candidate, int],
    held_out: bool = False,
  ) -> dict[Candidate, dict[str, Any]]:
    """Evaluates every task that has an evaluation set; writes what it finds.

    Args:
      state: whose parameters.
      steps: runs that are evaluated, and of which step the state of each is.
      held_out: on the training examples that are held out, not on the test.

    Returns:
      Run -> task -> what was measured.
    """
    found = {each: {} for each in steps}
    of = {each.number: each for each in steps}
    with self.evaluating.of(shares.OTHER):
      for audience in self.programs.audiences(state, list(of)):
        for name in audience.sources(held_out):
          began = time.perf_counter()
          self.ahead.wait((name, False))
          comparer = functools.partial(self.programs.comparer, name, state)
          metrics, undecodable = audience.evaluate(
            name, held_out, comparer, self.asked.check, self.evaluating.of
          )
          seconds = time.perf_counter() - began
          for number, metric in metrics.items():
            each = of[number]
            found[each][name] = {
              **each.show(steps[each], name, metric, held_out),
              'examples': audience.counted(name, held_out),
              'undecodable': undecodable,
              'seconds': seconds,
            }
    for each, tasks in found.items():
      each.tell(steps[each], tasks, held_out)
    return found

  def evaluate_checkpoint(self) -> dict[str, Any]:
    """Evaluates `config.eval_checkpoint`."""
    (only,) = self.candidates
    wanted, step = str(self.config.eval_checkpoint), None
    if wanted != 'none':
      step = only.checkpoints.find(wanted, 'config.eval_checkpoint')
    begun = only.begin(step)
    if wanted != 'none':
      only.logbook.open()
    self.asked.listen()
    garbage.started()
    found = self.evaluate(begun.state, {only: begun.step})[only]
    choice = reporting.Choice(
      'checkpoint', begun.step, (begun.step,), by=wanted, found=found
    )
    record = only.finish(choice)
    only.leave_exemplars(choice)
    return record
