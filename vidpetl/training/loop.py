"""The one loop: train, evaluate, save, resume."""

from __future__ import annotations

import functools
import json
import time
from typing import Any

import jax
from clu import parameter_overview
from etils import epath

from vidpetl.data.survey import start as survey
from vidpetl.experiment import adapters
from vidpetl.experiment import state as state_lib
from vidpetl.parameters import package, storage, variables
from vidpetl.tasks import task as task_lib
from vidpetl.training import (
  checkpoint,
  evaluation,
  feed,
  interruption,
  pending,
  predictions,
  progress,
  results,
  sharding,
  writers,
)
from vidpetl.training import run as run_lib


def run(config: Any, workdir: str) -> dict[str, Any] | None:
  """Trains, or evaluates, as `config.mode` says.

  Args:
    config: see `configs/`.
    workdir: of the run; with checkpoints in it, the run goes on.

  Returns:
    What results.json holds; None if the run was interrupted.
  """
  with jax.set_mesh(sharding.make_mesh(**config.mesh.to_dict())):
    loop = Loop(config, workdir)
    try:
      if config.mode == 'train':
        return loop.train()
      if config.mode == 'eval':
        return loop.evaluate_checkpoint()
      raise ValueError(f"config.mode {config.mode!r} is not 'train' or 'eval'.")
    finally:
      loop.close()


class Loop:
  """A run, with all that it writes."""

  def __init__(self, config: Any, workdir: str):
    self.started = time.perf_counter()
    self.first = jax.process_index() == 0
    self.workdir = epath.Path(workdir)
    self.run = run_lib.prepare(config, workdir)
    self.config = config = self.run.config
    self.checkpoints = checkpoint.Checkpoints(
      workdir, config.checkpoint.keep, config.checkpoint.best
    )
    self.predictors = self.run.predictors()
    self.comparers = self.run.comparers()
    self.writer = writers.silent()
    self.files = predictions.Files(self.workdir, self.run.train)
    self.progress = progress.Progress(self.run.total)

  def close(self) -> None:
    """Finishes what is being written; says which videos were left out."""
    self.progress.close()
    self.checkpoints.close()
    self.writer.close()
    if len(self.run.quarantine):
      path = self.workdir / f'undecodable.{jax.process_index()}.csv'
      self.run.quarantine.write(path)
      for share in self.run.quarantine.shares():
        self.say(f'{share}.')
      self.say(f'{len(self.run.quarantine)} undecodable videos: see {path}')

  def say(self, text: str) -> None:
    if self.first:
      self.progress.say(text)

  # ------------------------------------------------------------------ training

  def train(self) -> dict[str, Any] | None:
    """Trains to the last step, evaluates, and returns the results."""
    state, start = self._first_state()
    if self.first:
      self._describe(state, start)
    waiting = pending.Pending(self.run, start)
    source = feed.Feed(
      range(start, self.run.total),
      self.run.mixture.task,
      self.run.train_batches(start),
      lambda rows: sharding.to_device(rows, self.run.mesh),
      self.config.input.ready,
      waiting.done,
    )
    asked = interruption.Interruption()
    try:
      state, found = self._take_steps(state, start, waiting, source, asked)
    finally:
      asked.restore()
      source.close()
    if found is None:
      return None
    if not found:
      found = self.evaluate(state, self.run.total)
      self._save(state, self.run.total, results.flat(found))
    record = self._finish(found, self.run.total)
    if state.frozen:
      self._write_package(state)
    return record

  def _take_steps(
    self,
    state: state_lib.TrainState,
    start: int,
    waiting: pending.Pending,
    source: feed.Feed,
    asked: interruption.Interruption,
  ) -> tuple[state_lib.TrainState, dict[str, Any] | None]:
    """Takes the steps that are left; logs, evaluates and saves between them.

    Returns:
      The last state, and its evaluation: {} if no step was left to take, None
      if the run was told to stop.
    """
    steps = self.run.train_steps()
    found = {}
    for step, name, batch in source:
      if self.run.starts_epoch(step):
        state = self.run.begin_epoch(state)
      state, scalars = steps[name](state, batch)
      waiting.add(step, name, scalars)
      done = step + 1
      if step == start:
        jax.block_until_ready(state)
        self._log_start(done)
      if done % self.config.log_every == 0 or done == self.run.total:
        self._log(done, waiting, source)
      metrics = None
      if self._evaluates_after(done):
        waiting.check()
        found = self.evaluate(state, done)
        metrics = results.flat(found)
      why = asked.requested(done)
      if why or metrics is not None or self._saves_after(done):
        waiting.check()
        self._save(state, done, metrics)
      if why and done < self.run.total:
        self.checkpoints.wait()
        self.say(f'{why}: saved step {done}; the same command goes on.')
        return state, None
    return state, found

  def _write_package(self, state: state_lib.TrainState) -> None:
    """Writes what was learned on top of the frozen parameters."""
    self.checkpoints.wait()
    step = self.run.total
    if self.config.checkpoint.best:
      step = self.checkpoints.best()
    if step != self.run.total:
      state = self.checkpoints.restore(step, state)
    arrays = storage.to_host(variables.flatten(state.variables))
    if not self.first:
      return
    infos = {name: source.info for name, source in self.run.train.items()}
    tasks = self.run.experiment.tasks
    resolved = {name: task.resolved() for name, task in tasks.items()}
    packed = adapters.pack(
      adapters.describe(self.config, infos, resolved),
      arrays,
      self.run.experiment.group_of,
      origin=self.meta['origin'],
      step=step,
      metrics=self.checkpoints.metrics(step),
    )
    folder = self.workdir / 'adapter'
    package.save(folder, packed)
    self.say(f'Adapter package of step {step}: {folder}, '
             f'{packed.size / 1e6:.2f} MB')  # fmt: skip

  def _first_state(self) -> tuple[state_lib.TrainState, int]:
    """Fresh, initialised from elsewhere, or resumed: one, and it is said."""
    latest = self.checkpoints.latest()
    state, origin = self.run.init_state(resuming=latest is not None)
    frozen = storage.tree_hash(state.frozen)
    self.meta = self.run.identity() | {'frozen': frozen, 'origin': origin}
    if latest is None:
      self.say(f'Starting at step 0 from {origin}.')
      self._report_start()
      return state, 0
    saved = self.checkpoints.meta(latest)
    checkpoint.check_same_run(saved, self.run.identity() | {'frozen': frozen})
    self.say(
      f'Resuming at step {latest} of {self.run.total} from '
      f'{self.checkpoints.folder} (which had started from '
      f'{saved["origin"]}).'
    )
    self.meta['origin'] = saved['origin']
    return self.checkpoints.restore(latest, state), latest

  def _report_start(self) -> None:
    """Keeps what became of the arrays that the run starts from."""
    for note in self.run.notes:
      self.say(note)
    report = self.run.report
    if report is None:
      return
    for note in report.notes:
      self.say(note)
    if self.first:
      path = self.workdir / 'init_report.txt'
      path.write_text(report.whole() + '\n')

  def _describe(self, state: state_lib.TrainState, start: int) -> None:
    """Writes what does not change during the run."""
    self.writer = writers.create(self.workdir, resumed_at=start)
    text = self.config.to_json_best_effort(indent=2) + '\n'
    (self.workdir / 'config.json').write_text(text)
    self.files.write_classes()
    texts = {'config': f'```\n{self.config}\n```'}
    # Statistics of values that lie on other hosts cannot be had here.
    overview = parameter_overview.get_parameter_overview(
      {'trained': state.params, 'frozen': state.frozen}, include_stats=False
    )
    texts['parameters'] = f'```\n{overview}\n```'
    self.writer.write_texts(start, texts)
    trained, frozen = (run_lib.count(x) for x in (state.params, state.frozen))
    sizes = {name: len(source) for name, source in self.run.train.items()}
    self.say(
      f'{trained:,} parameters train, {frozen:,} are frozen; {sizes} training '
      f'examples; {self.run.total} steps of {self.config.batch_size} on '
      f'{self.run.mesh.size} devices; steps per task '
      f'{self.run.mixture.counts()}.'
    )
    for line in survey.look(
      self.config, self.run.train, self.run.tested, self.workdir
    ):
      self.say(line)

  def _log_start(self, step: int) -> None:
    seconds = time.perf_counter() - self.started
    self.writer.write_scalars(step, {'seconds_to_first_step': seconds})
    self.say(f'First step after {progress.duration(seconds)}.')

  def _log(
    self, done: int, waiting: pending.Pending, source: feed.Feed
  ) -> None:
    losses = waiting.take()
    speed = waiting.speed(done, source.starved)
    examples = speed['steps_per_second'] * self.config.batch_size
    scalars = losses | {f'speed/{k}': v for k, v in speed.items()}
    scalars['speed/clips_per_second'] = examples
    rate = float(self.run.learning_rate(done - 1))
    scalars['learning_rate'] = rate
    for name, group in self.config.optimizer.groups.items():
      scalars[f'learning_rate/{name}'] = rate * group.get('lr_scale', 1.0)
    scalars |= run_lib.device_memory()
    self.writer.write_scalars(done, scalars)
    if self.first:
      facts = {
        k.removesuffix('/loss'): f'{v:.3f}'
        for k, v in losses.items()
        if k.endswith('/loss')
      }
      facts['clips/s'] = f'{examples:.1f}'
      facts['input wait'] = f'{speed["input_wait"]:.0%}'
      self.progress.show(done, facts)

  def _evaluates_after(self, done: int) -> bool:
    every = round(self.config.eval_every_epochs * self.run.epoch)
    return done == self.run.total or (bool(every) and done % every == 0)

  def _saves_after(self, done: int) -> bool:
    return done % self.config.checkpoint.every == 0

  def _save(self, state, done, metrics) -> None:
    self.checkpoints.save(state, done, self.meta, metrics)

  # ---------------------------------------------------------------- evaluation

  def evaluate(self, state: state_lib.TrainState, step: int) -> dict[str, Any]:
    """Evaluates every task that has an evaluation set; writes what it finds."""
    found = {}
    for name, source in self.run.evaluation.items():
      began = time.perf_counter()
      task = self.run.experiment.tasks[name]
      metric = task.metric(source)
      undecodable = evaluation.evaluate(
        metric,
        source,
        self.run.eval_batches(name),
        lambda rows, name=name: self.predictors[name](
          state, sharding.to_device(rows, self.run.mesh)
        ),
      )
      self.run.quarantine.require(source, undecodable)
      if isinstance(metric, task_lib.Relative):
        metric.compare(functools.partial(self.comparers[name], state))
      found[name] = {
        'metrics': metric.result(),
        'report': metric.report(),
        'classes': self.files.per_class(name, metric),
        'examples': len(self.run.tested[name]),
        'undecodable': undecodable,
        'seconds': time.perf_counter() - began,
      }
      if self.first:
        self.files.write(name, step, metric)
        self._write_pictures(step, name, metric)
    self.writer.write_scalars(step, results.flat(found))
    self.writer.write_texts(
      step, {k: f'```\n{v["report"]}\n```' for k, v in found.items()}
    )
    self.writer.flush()
    if self.first and self.config.mode == 'train':
      self.files.prune(step, self.config.report, self.config.checkpoint.best)
    self.say(results.line(step, found))
    return found

  def _write_pictures(self, step: int, name: str, metric: Any) -> None:
    pictures = metric.pictures()
    results.save_pictures(pictures, self.workdir / 'pictures', name)
    tagged = {f'{name}/{k}': v for k, v in pictures.items()}
    self.writer.write_images(step, writers.as_images(tagged))

  def evaluate_checkpoint(self) -> dict[str, Any]:
    """Evaluates `config.eval_checkpoint`."""
    if self.config.eval_checkpoint == 'none':
      state, origin = self.run.init_state()
      self.say(f'Evaluating {origin}.')
      return self._finish(self.evaluate(state, 0), 0)
    step = self._checkpoint_to_evaluate()
    state = self.run.restore(self.checkpoints, step)
    if self.first:
      self.writer = writers.create(self.workdir, resumed_at=self.run.total)
    self.say(f'Evaluating step {step} of {self.checkpoints.folder}.')
    return self._finish(self.evaluate(state, step), step)

  def _checkpoint_to_evaluate(self) -> int:
    wanted = str(self.config.eval_checkpoint)
    if wanted == 'best':
      step = self.checkpoints.best()
    elif wanted == 'latest':
      step = self.checkpoints.latest()
    else:
      step = int(wanted)
    if step is None:
      raise ValueError(
        f'config.eval_checkpoint is {wanted!r}, but {self.checkpoints.folder} '
        'holds no such checkpoint; train first, or set --workdir.'
      )
    return step

  def _finish(self, found: dict[str, Any], step: int) -> dict[str, Any]:
    """Writes results.json, and prints the table."""
    record = results.record(self.run, found, step)
    if self.first:
      path = self.workdir / 'results.json'
      path.write_text(json.dumps(record, indent=2) + '\n')
      self.say(results.table(found))
      self.say(f'Results: {path}')
      self.say(f'Curves and pictures: tensorboard --logdir {self.workdir}')
    return record
