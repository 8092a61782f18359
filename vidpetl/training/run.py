"""A config, its data and its devices, ready to go."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from etils import epath

from vidpetl.backbones import remat
from vidpetl.caching import reading
from vidpetl.data import (
  clips,
  examples,
  index,
  lengths,
  mixture,
  pipeline,
)
from vidpetl.data import quarantine as quarantine_lib
from vidpetl.data.survey import cache
from vidpetl.experiment import complete, initialise, optimizer, pixels
from vidpetl.experiment import experiment as experiment_lib
from vidpetl.experiment import spec as spec_lib
from vidpetl.experiment import state as state_lib
from vidpetl.recipes import defaults
from vidpetl.tasks import task as task_lib
from vidpetl.training import (
  checkpoint,
  consistency,
  identity,
  programs,
  rounding,
  sharding,
  splits,
)
from vidpetl.training import step as step_lib
from vidpetl.weights import report as report_lib


@dataclasses.dataclass
class Run:
  """What training and evaluation need.

  Attributes:
    config: of the run.
    experiment: model and tasks.
    train: training source of each task.
    tested: evaluation set of each task that has one.
    evaluation: the same, with whatever else the task needs to be evaluated.
    held_out: training examples of each of these tasks that are held out; {}
      if there are none.
    validation: the same, with whatever else the task needs to be evaluated.
    mesh: of devices.
    mixture: which task each step serves.
    quarantine: videos that could not be decoded.
    cache: of encoded clips, in place of videos; None if there is none.
    epoch: steps in an epoch, the sum of the datasets over the batch size.
    total: steps in the run.
    tx: optimizer.
    learning_rate: step -> rate.
    notes: what a user is told at the start.
    report: what became of every array of `config.init.path`, once it was read.
    source: path -> frozen parameter as read, where the state has fewer bits.
  """

  config: Any
  experiment: experiment_lib.Experiment
  train: Mapping[str, examples.Source]
  tested: Mapping[str, examples.Source]
  evaluation: Mapping[str, examples.Source]
  held_out: Mapping[str, examples.Source]
  validation: Mapping[str, examples.Source]
  mesh: jax.sharding.Mesh
  mixture: mixture.Schedule
  quarantine: quarantine_lib.Quarantine
  epoch: float
  total: int
  cache: reading.Cache | None = None
  tx: Any = None
  learning_rate: Any = None
  report: report_lib.Report | None = None
  notes: tuple[str, ...] = ()
  source: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
  _begin_epoch: Any = dataclasses.field(default=None, init=False, repr=False)

  def __post_init__(self):
    self.tx, self.learning_rate = self.experiment.optimizer(
      self.epoch, self.total
    )

  @functools.cached_property
  def shapes(self) -> state_lib.TrainState:
    """The abstract state, sharded."""
    built, tx = self.experiment, self.tx
    return programs.state_shapes(self.config, built, tx, self.mesh)

  def init_state(
    self,
    resuming: bool = False,
    evaluation: bool = False,
    seed: int | None = None,
  ) -> tuple[state_lib.TrainState, str]:
    """Returns the state before step 0, sharded, and where it comes from.

    Args:
      resuming: what trains will be replaced by a checkpoint, so that other
        parameters to start from are read only if some of them are frozen.
      evaluation: whether it is evaluated as it is; see `initialise.start`.
      seed: that parameters are drawn of; the config's if None.
    """
    seed = self.config.seed if seed is None else seed
    shapes, init = self.shapes, self.config.init
    unread = resuming and not shapes.frozen
    starts = evaluation or ((init.path or init.adapter) and not unread)
    rounds = shapes.frozen and self.config.frozen_dtype != 'float32'
    places = lambda tree: jax.tree.map(lambda x: x.sharding, tree)
    # What is read or rounded passes through the host.
    where = None if starts or rounds else places(shapes.variables)
    begin = self.experiment.init_variables(jax.random.key(seed), where)
    origin = f'random parameters, seed {seed}'
    if starts:
      started = initialise.start(begin, self.experiment, evaluation)
      begin, origin = started.variables, started.origin
      self.report = started.report
      self.notes += started.notes
    if rounds:
      self.source = rounding.source(self.experiment, begin['params'])
    create = functools.partial(self.experiment.state, tx=self.tx)
    state = jax.jit(create, out_shardings=places(shapes))(begin)
    consistency.check_heads(state.frozen)
    return state, origin

  def restore(
    self, checkpoints: checkpoint.Checkpoints, step: int
  ) -> state_lib.TrainState:
    """Returns the state of a checkpoint, to evaluate it.

    Raises:
      ValueError: if it trained on other frozen parameters than these.
    """
    saved = checkpoints.meta(step)
    seed = saved.get('first_seed', self.config.seed)
    state, _ = self.init_state(resuming=True, seed=seed)
    if saved['frozen'] != self.hash_frozen(state):
      raise ValueError(
        f'{checkpoints.folder / str(step)} was trained on other frozen '
        'parameters than those that config.init gives now.'
      )
    return checkpoints.restore(step, state)

  def batch_shapes(
    self, name: str, train: bool = True
  ) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the abstract batch of a task's step or evaluation, sharded."""
    task = self.experiment.tasks[name]
    if self.cache:
      signature = self.cache.parts[name, train].signature
    elif train:
      signature = clips.signature(self.train[name].info, task.train_clip)
    else:
      source = self.evaluation[name]
      signature = clips.signature(source.info, task.eval_clip)
    return programs.batch_shapes(self.config, signature, self.mesh, train)

  def compile_step(self, name: str) -> None:
    """Compiles a task's update, so that its first call need not."""
    batch = self.batch_shapes(name)
    step = self.train_steps()[name]
    programs.ready(programs.lower(step, self.shapes, batch, self.config))

  def train_steps(self) -> dict[str, Any]:
    """Returns each task's compiled update; see `programs.train_step`."""
    return self._train_steps

  @functools.cached_property
  def _train_steps(self) -> dict[str, Any]:
    return {
      name: programs.train_step(
        self.config, self.experiment, self.tx, name, self.mesh
      )
      for name in self.experiment.tasks
    }

  @functools.cached_property
  def _rates(self) -> dict[str, np.ndarray]:
    return optimizer.table(
      self.config.optimizer, self.learning_rate, self.total
    )

  def rates(self, step: int) -> dict[str, np.float32]:
    """Returns each group's learning rate in a step; '' is the base's."""
    return {name: rates[step] for name, rates in self._rates.items()}

  def begin_epoch(self, state: state_lib.TrainState) -> state_lib.TrainState:
    """Returns the state with which a new epoch begins."""
    if not state.task_state:
      return state
    if self._begin_epoch is None:  # Compiled once, not in each epoch.
      self._begin_epoch = jax.jit(
        functools.partial(step_lib.begin_epoch, tasks=self.experiment.tasks),
        out_shardings=jax.tree.map(lambda x: x.sharding, state.task_state),
      )
    return state.replace(task_state=self._begin_epoch(state))

  def starts_epoch(self, step: int) -> bool:
    """Whether a further epoch begins with `step`, counted from 0."""
    return step > 0 and step // self.epoch > (step - 1) // self.epoch

  def comparers(self) -> dict[str, Any]:
    """Returns per task (state, pairs) -> what `Base.compare` makes of them."""
    return {
      name: jax.jit(
        functools.partial(
          step_lib.compare_step, model=self.experiment.model, task=task
        ),
        out_shardings=sharding.replicated(self.mesh),
      )
      for name, task in self.experiment.tasks.items()
    }

  def predictors(self) -> dict[str, Any]:
    """Returns per task (state, batch) -> outputs, on every device."""
    return {
      name: jax.jit(
        functools.partial(
          step_lib.eval_step,
          model=self.experiment.model,
          task=task,
        ),
        out_shardings=sharding.replicated(self.mesh),
      )
      for name, task in self.experiment.tasks.items()
    }

  def train_batches(self, start: int) -> dict[str, Iterator[Any]]:
    """Returns each task's own batches, from those that step `start` needs."""
    return {
      name: iter(
        (self.cache or pipeline).train_batches(
          source,
          self.experiment.tasks[name].train_clip,
          name=name,
          batch_size=self.config.batch_size,
          seed=defaults.data_seed(self.config),
          start=self.mixture.count(start, name),
          **self.input_options(),
        )
      )
      for name, source in self.train.items()
    }

  def eval_batches(self, name: str, held_out: bool = False) -> Iterator[Any]:
    """Returns all of a task's evaluation batches, padded."""
    return (self.cache or pipeline).eval_batches(
      (self.validation if held_out else self.evaluation)[name],
      self.experiment.tasks[name].eval_clip,
      batch_size=self.config.eval_batch_size,
      **self.input_options(),
    )

  @property
  def has_own_data(self) -> bool:
    """Whether it has not those of another run that trains with it."""
    return True

  @functools.cached_property
  def data(self) -> dict[str, Any]:
    """What tells the data from others; see `identity.data_of`."""
    return identity.data_of(self)

  def hash_frozen(self, state: state_lib.TrainState) -> str:
    """Returns the hash of the frozen parameters of a state, as read."""
    return rounding.frozen_hash(self, state)

  def input_options(self) -> dict[str, Any]:
    """Returns how batches are read, see `pipeline`."""
    return {
      'process_index': jax.process_index(),
      'process_count': jax.process_count(),
      'workers': self.config.input.workers,
      'processes': self.config.input.processes,
      'prefetch': self.config.input.prefetch,
      'quarantine': self.quarantine,
    }

  def spec(self) -> spec_lib.Spec:
    """Returns what has to be known of the model to use it."""
    tasks = self.experiment.tasks
    # What the survey of the data opened already.
    known = cache.Cache(cache.default_path())
    if self.config.input.check == 'off':
      known = None
    return spec_lib.describe(
      self.config,
      {name: source.info for name, source in self.train.items()},
      {name: task.resolved() for name, task in tasks.items()},
      {
        name: lengths.of(source, known=known)
        for name, source in self.train.items()
      },
    )

  def ids(self, step: int) -> list[str]:
    """Returns the example ids of the batch that `step` trains on."""
    name = self.mixture.task(step)
    source = self.train[name]
    rows, _ = index.batch(
      defaults.data_seed(self.config),
      name,
      self.mixture.count(step, name),
      self.config.batch_size,
      len(source),
    )
    return [source[int(i)].id for i in rows]


def prepare(
  config: Any,
  workdir: epath.PathLike | None = None,
  compared: Sequence[str] = (),
) -> Run:
  """Opens the data of a config, and builds everything else.

  Args:
    config: see `configs/`.
    workdir: of the run, whose choice of pixels holds; see `experiment.pixels`.
    compared: metrics by which the run will be compared with others.

  Raises:
    ValueError: naming the field that cannot work.
  """
  config, notes = pixels.resolve(complete.complete(config), workdir)
  consistency.check_init(config)
  consistency.check_tasks(config)
  consistency.check_report(config)
  remat.check(config.backbone.get('remat'))
  mesh = sharding.mesh_of(config)
  part = sharding.check_batches(config, mesh)
  train, tested, held_out = splits.opened(config)
  infos = {name: source.info for name, source in train.items()}
  consistency.check_data(config, train, tested)
  consistency.check_classes(train, tested)
  sizes = {name: len(source) for name, source in train.items()}
  epoch, total = splits.steps(config, sizes)
  plans = _plans(sizes, config.steps / epoch or config.epochs, part)
  experiment = experiment_lib.build(config, infos, plans)
  whole = lambda parts: {
    name: experiment.tasks[name].evaluation_source(part, train[name])
    for name, part in parts.items()
  }
  evaluation = whole(tested)
  consistency.check_best(config.checkpoint.best, experiment.tasks, evaluation)
  consistency.check_compared(compared, experiment.tasks, evaluation)
  return Run(
    config=config,
    experiment=experiment,
    train=train,
    tested=tested,
    evaluation=evaluation,
    held_out=held_out,
    validation=whole(held_out),
    mesh=mesh,
    mixture=mixture.Schedule(
      names=tuple(sizes),
      sizes=tuple(sizes.values()),
      mode=config.mixture.mode,
      weights=config.mixture.weights or None,
      seed=defaults.data_seed(config),
      steps=total,
    ),
    quarantine=quarantine_lib.Quarantine(config.input.max_undecodable),
    epoch=epoch,
    total=total,
    cache=reading.of(config, experiment, infos),
    notes=(*notes, *consistency.scarce(config.batch_size, sizes)),
  )


def _plans(
  sizes: Mapping[str, int], epochs: float, batch: int
) -> dict[str, task_lib.Plan]:
  """Returns what tasks are told of the run."""
  return {
    name: task_lib.Plan(epochs, size, batch) for name, size in sizes.items()
  }
