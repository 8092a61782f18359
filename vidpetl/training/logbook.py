"""What a run tells and writes of itself while it goes on."""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import jax
import numpy as np
from etils import epath, epy

from vidpetl import durable, lock
from vidpetl.data.survey import start as survey
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import trainable
from vidpetl.training import (
  feed,
  hparams,
  pending,
  progress,
  reporting,
  results,
  writers,
)
from vidpetl.training import run as run_lib
from vidpetl.training.writers import json_lines

with epy.lazy_imports():
  from clu import parameter_overview


class Logbook:
  """The terminal, metrics.jsonl and the other writers of one run.

  Processes but the first write nothing, except into what all of them must call.
  """

  def __init__(
    self,
    run: run_lib.Run,
    workdir: epath.Path,
    started: float,
    name: str = '',
    leads: bool = True,
  ):
    """Opens it for the terminal.

    Args:
      run: of which it is.
      workdir: of the run.
      started: when it began, by `time.perf_counter`.
      name: in front of what is told, where several runs tell.
      leads: whether it says what is odd about the data, which others may have.
    """
    self._leads = leads
    self._name = f'{name}: ' if name else ''
    self._run, self._workdir, self._started = run, workdir, started
    self._first = jax.process_index() == 0
    self._progress = progress.Progress(run.total)
    self.writer = writers.silent()
    self._pictures = futures.ThreadPoolExecutor(1, 'pictures')
    self._drawn: list[futures.Future] = []
    self._unlogged: tuple[int, bool] | None = None

  def open(self, resumed_at: float = math.inf) -> None:
    """Opens the files, without what they hold of steps after `resumed_at`."""
    if self._first:
      config = self._run.config
      self.writer = writers.create(
        self._workdir,
        config.writers,
        json.loads(config.to_json_best_effort()),
        resumed_at=resumed_at,
      )

  def close(self) -> None:
    """Finishes what is being written."""
    self._progress.close()
    self._pictures.shutdown()
    self.writer.close()

  def say(self, text: str) -> None:
    """Tells a user a line."""
    if self._first:
      self._progress.say(f'{self._name}{text}')

  def describe(
    self,
    state: state_lib.TrainState,
    start: int,
    told: Mapping[str, str],
    command: str = '',
  ) -> None:
    """Writes what does not change during a run that trains from a step on.

    Args:
      state: at the step.
      start: the step.
      told: what the command line says of the run; see `hparams.of`.
      command: that was typed, if it makes this run alone.
    """
    if not self._first:
      return
    self.open(resumed_at=start)
    run, config = self._run, self._run.config
    text = config.to_json_best_effort(indent=2) + '\n'
    durable.write(self._workdir / 'config.json', text)
    if command:
      durable.write(self._workdir / results.COMMAND, f'{command}\n')
    # Statistics of values that lie on other hosts cannot be had here.
    overview = parameter_overview.get_parameter_overview(
      {'trained': state.params, 'frozen': state.frozen}, include_stats=False
    )
    texts = dict(zip(writers.AT_START, (config, overview), strict=True))
    self.writer.write_texts(
      start, {tag: f'```\n{text}\n```' for tag, text in texts.items()}
    )
    trained, frozen = (_count(x) for x in (state.params, state.frozen))
    compared = hparams.of(config.to_dict(), told, trained=trained)
    self.writer.write_hparams(compared)
    sizes = {name: len(source) for name, source in run.train.items()}
    self.say(
      f'{trained:,} parameters train, {frozen:,} are frozen; {sizes} training '
      f'examples; {run.total} steps of {config.batch_size} on '
      f'{run.mesh.size} devices; steps per task '
      f'{run.mixture.counts()}.'
    )
    for line in survey.look(config, run.train, run.tested, self._workdir):
      if self._leads:
        self.say(line)

  def show(
    self, step: int, name: str, draw: Callable[[], Mapping[str, np.ndarray]]
  ) -> None:
    """Draws and writes pictures of a task, in a thread of their own.

    Args:
      step: that they are of.
      name: of the task.
      draw: returns them, [h, w, 3] uint8 each.
    """

    def work():
      pictures = draw()
      results.save_pictures(pictures, self._workdir / 'pictures', name)
      tagged = {f'{name}/{k}': v for k, v in pictures.items()}
      self.writer.write_images(step, writers.as_images(tagged))

    self._drawn.append(self._pictures.submit(work))

  def settle(self) -> None:
    """Waits until all pictures are drawn; raises what went wrong."""
    drawn, self._drawn = self._drawn, []
    for each in drawn:
      each.result()

  def tell(self, choice: reporting.Choice) -> None:
    """Prints what is reported, and where it is."""
    config = self._run.config
    self.say(results.table(choice))
    self.say(f'Results: {self._workdir / results.FILES[config.mode]}')
    if 'tensorboard' in config.writers:
      self.say(f'Curves and pictures: tensorboard --logdir {self._workdir}')

  def report(self, choice: reporting.Choice) -> None:
    """Writes what the run reports, beside the curves."""
    lock.check(self._workdir)
    metrics = writers.as_reported(reporting.flat(choice.found))
    self.writer.write_scalars(choice.step, metrics)

  def first_step(self, step: int) -> None:
    """Writes how long it took to get there."""
    seconds = time.perf_counter() - self._started
    self.writer.write_scalars(step, {'seconds_to_first_step': seconds})
    self.writer.begin()
    self.say(f'First step after {progress.duration(seconds)}.')

  def take(
    self,
    done: int,
    waiting: pending.Pending,
    source: feed.Feed,
    stands: bool,
    shown: bool = True,
  ) -> None:
    """Takes note of a step; logs what is due.

    A step is logged once the next one is under way, so that the devices do not
    idle while its losses are fetched.

    Args:
      done: steps that were dispatched.
      waiting: their scalars.
      source: of the batches.
      stands: whether the run waits for the step anyway.
      shown: whether the terminal shows it, too.
    """
    self.catch_up(waiting, source)
    run = self._run
    if done % run.config.log_every == 0 or done == run.total:
      self._unlogged = done, shown
    if stands:
      self.catch_up(waiting, source)

  def catch_up(self, waiting: pending.Pending, source: feed.Feed) -> None:
    """Logs what is due at once; see `take`."""
    if self._unlogged:
      (done, shown), self._unlogged = self._unlogged, None
      self.log(done, waiting, source, shown)

  def log(
    self,
    done: int,
    waiting: pending.Pending,
    source: feed.Feed,
    shown: bool = True,
  ) -> None:
    """Writes losses, rates and speed since the last time, up to a step.

    Args:
      done: finished steps.
      waiting: scalars of those since the last time.
      source: of the batches.
      shown: whether the terminal shows them, too.
    """
    lock.check(self._workdir)
    losses = waiting.take(done)
    speed = waiting.speed(done, source.starved)
    examples = speed['steps_per_second'] * self._run.config.batch_size
    scalars = losses | {f'speed/{k}': v for k, v in speed.items()}
    scalars['speed/clips_per_second'] = examples
    for name, rate in self._run.rates(done - 1).items():
      scalars['/'.join(filter(None, ('learning_rate', name)))] = float(rate)
    scalars |= _device_memory()
    self.writer.write_scalars(done, scalars)
    if self._first and shown:
      facts = {
        k.removesuffix('/loss'): f'{v:.3f}'
        for k, v in losses.items()
        if k.endswith('/loss')
      }
      facts['clips/s'] = f'{examples:.1f}'
      facts['input wait'] = f'{speed["input_wait"]:.0%}'
      self._progress.show(done, facts)

  def leave(self, waiting: pending.Pending) -> None:
    """Writes what `log` has not written yet, step by step, of a run that stops.

    It raises no error: that which stopped the run is what a user has to know.
    """
    with contextlib.suppress(Exception):
      waiting.check()
    rows = [
      {'step': step + 1, 'learning_rate': float(self._run.rates(step)[''])}
      | {f'{name}/{key}': value for key, value in scalars.items()}
      for step, name, scalars in waiting.rows()
    ]
    if rows and self._first:
      with contextlib.suppress(Exception):
        self.writer.flush()
        json_lines.leave(self._workdir / json_lines.FILE, rows)


def _device_memory() -> dict[str, float]:
  """Returns peak and current memory in bytes, where the device tells."""
  stats = jax.local_devices()[0].memory_stats() or {}
  names = {'bytes_in_use': 'memory', 'peak_bytes_in_use': 'peak_memory'}
  return {
    f'device/{ours}': float(stats[theirs])
    for theirs, ours in names.items()
    if theirs in stats
  }


def _count(params: Any) -> int:
  """Returns how many parameters there are, however they are kept."""
  return sum(x.size for x in trainable.flatten(params).values())
