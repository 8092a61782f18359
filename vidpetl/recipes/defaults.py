"""Every field that a config of an experiment has: type, range and default."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import ml_collections

from vidpetl import ranges
from vidpetl.data import mixture

MODES = ('train', 'eval')
REPORTS = ('last', 'best', 'mean10')
DTYPES = ('float32', 'bfloat16')
KEPT = (*DTYPES, 'int8')
TACTICS = ('replicate', 'fsdp')

_Grid = tuple[()] | ranges.Size
_Named = tuple[ranges.Pattern, ranges.Text]
_Tactic = tuple[ranges.Pattern, Annotated[str, ranges.OneOf(TACTICS)]]
_Tail = tuple[
  ranges.Positive,
  Annotated[str, ranges.OneOf(('constant', 'cosine'))],
  ranges.Number,
]
# Devices along an axis; -1 takes those that are left.
_Axis = Annotated[int, ranges.OneOf((-1,))] | ranges.Count


@dataclasses.dataclass(frozen=True)
class Init:
  """Where the parameters start.

  Attributes:
    path: a workdir, a file of `vidpetl.convert`, or a published file.
    family: of a published file; a converted file knows itself.
    entry: which set of parameters of a file that holds several.
    skip: what is to stay as drawn, or to be left out, regexes of names; the
      heads of its tasks are never skipped where a run only evaluates.
    grid: (t, h, w) of its tokens, if it is another one. This, `window` and
      `inflate` are known of runs, of files of `vidpetl.convert` and of
      families.
    window: (t, h, w) of its windows, if they are others.
    inflate: how filters of an image are inflated, 'central' or 'average'.
    adapter: an adapter package to put on them.
    stack: whether the techniques of that package come first in config.petl, and
      stay as they are, below those that config.petl binds.
    pixels: whose mean and standard deviation of pixels all tasks take: those
      of the 'weights', where they are known, or those of the 'config',
      augment.mean and .std.
  """

  path: str = ''
  family: str = ''
  entry: str = ''
  skip: Sequence[ranges.Pattern] = ('^heads_',)
  grid: _Grid = ()
  window: _Grid = ()
  inflate: Annotated[str, ranges.OneOf(('', 'central', 'average'))] = ''
  adapter: str = ''
  stack: bool = False
  pixels: Annotated[str, ranges.OneOf(('weights', 'config'))] = 'weights'


@dataclasses.dataclass(frozen=True)
class Group:
  """A group of parameters of the optimizer.

  Attributes:
    lr_scale: times the learning rate.
    weight_decay: of what `decay_filter` says.
    decay_filter: regex of the parameters that decay; '' for all matrices.
  """

  lr_scale: ranges.Number = 1.0
  weight_decay: ranges.Number = 0.0
  decay_filter: ranges.Pattern = ''


@dataclasses.dataclass(frozen=True)
class Optimizer:
  """See `vidpetl.experiment.optimizer`.

  Attributes:
    name: 'sgd', 'adam' or 'adamw'.
    momentum: of 'sgd'.
    beta1: of the others.
    beta2: of the others.
    learning_rate: the largest one.
    schedule: 'cosine', 'constant' or 'steps'.
    final: of 'cosine', the last rate as a share of the largest.
    milestones: of 'steps', epochs, increasing.
    tails: (epochs, 'constant' or 'cosine', rate) each.
    warmup_epochs: in which the rate rises from 0.
    clip_norm: largest norm of the gradient; 0 for none.
    groups: name -> fields of a `Group`.
    hold_absent_heads: keeps a head still in the steps of other tasks, instead
      of moving on by its momentum.
  """

  name: Annotated[str, ranges.OneOf(('sgd', 'adam', 'adamw'))] = 'sgd'
  momentum: ranges.Momentum = 0.9
  beta1: ranges.Momentum = 0.9
  beta2: ranges.Momentum = 0.999
  learning_rate: ranges.Number = 0.2
  schedule: Annotated[str, ranges.OneOf(('cosine', 'constant', 'steps'))] = (
    'cosine'
  )
  final: ranges.Share = 0.0
  milestones: Annotated[
    tuple[ranges.Positive, ...], ranges.Rising(strict=True)
  ] = ()
  tails: Sequence[_Tail] = ()
  warmup_epochs: ranges.Number = 2.5
  clip_norm: ranges.Number = 1.0
  groups: Mapping[ranges.Text, Mapping[str, Any]] = dataclasses.field(
    default_factory=lambda: {'all': {'lr_scale': 1.0, 'weight_decay': 0.0}}
  )
  hold_absent_heads: bool = False


@dataclasses.dataclass(frozen=True)
class Mixture:
  """Which task a step serves.

  Attributes:
    mode: 'weighted' (by size, or weights), 'alternating' or 'permuted'.
    weights: of each task, in any unit; {} is by size.
  """

  mode: Annotated[str, ranges.OneOf(mixture.MODES)] = 'weighted'
  weights: Mapping[str, ranges.Positive] = dataclasses.field(
    default_factory=dict
  )


@dataclasses.dataclass(frozen=True)
class Mesh:
  """How a run is spread over devices.

  Attributes:
    data: devices along 'data'; -1 takes those that are left.
    fsdp: devices along 'fsdp', which share the parameters.
    overlap: whether TPUs sum gradients while they compute others.
  """

  data: _Axis = -1
  fsdp: _Axis = 1
  overlap: bool = True


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """What is kept of a run.

  Attributes:
    every: so many steps.
    keep: how many of the latest.
    best: '<task>/<metric>' by which the best one is kept, too; '' for none.
    diverged: none is saved while losses are so many times as far above those
      before as these scatter; 0 saves whatever is a number (see
      `vidpetl.training.divergence`).
    accept: fields, separated by commas, in which a run that goes on may be
      another than it was (see `vidpetl.training.identity`).
  """

  every: ranges.Count = 1000
  keep: ranges.Count = 2
  best: str = ''
  diverged: ranges.Number = 10.0
  accept: str = ''


@dataclasses.dataclass(frozen=True)
class Input:
  """How data are read.

  Attributes:
    workers: clips decoded at a time, by threads.
    processes: that decode in place of threads, one clip at a time each; 0 for
      none. Threads beyond some four gain little (see `docs/videos.md`).
    prefetch: batches kept decoded.
    ready: batches kept on the devices.
    max_undecodable: the largest share of any split that may be undecodable.
    check: whether the run says at its start what is odd about the data, 'on'
      or 'off'.
  """

  workers: ranges.Count = 32
  processes: ranges.Natural = 0
  prefetch: ranges.Natural = 2
  ready: ranges.Natural = 2
  max_undecodable: ranges.Share = 0.1
  check: Annotated[str, ranges.OneOf(('on', 'off'))] = 'on'


@dataclasses.dataclass(frozen=True)
class Cache:
  """What a frozen backbone makes of clips, kept on disk; see `docs/cache.md`.

  Attributes:
    path: folder of it, which many runs may share; '' for none.
    views: showings that are kept of each training clip, where clips are drawn
      or augmented at random: epoch e shows number e modulo views. 0 refuses
      what is random.
    dtype: of what is kept: 'bfloat16', 'int8' with a scale for each token, or
      'float32'.
    verify: clips that a run encodes again at its start, of each source, to
      compare them with those that are kept; 0 for none.
  """

  path: str = ''
  views: ranges.Natural = 0
  dtype: Annotated[str, ranges.OneOf(KEPT)] = 'bfloat16'
  verify: ranges.Natural = 2


@dataclasses.dataclass(frozen=True)
class Config:
  """An experiment, but for backbone and tasks.

  Attributes:
    mode: 'train', or 'eval' for `eval_checkpoint`.
    seed: of everything.
    data_seed: of the batches alone, their order and what is drawn to cut and
      to change clips; None is that of everything. With one for all, runs of
      several seeds see the same batches, and may train together.
    epochs: one is the sum of the datasets over the batch size.
    steps: if positive, in place of epochs.
    batch_size: examples of a step, over all devices.
    accumulate: parts that a batch is worked off in.
    eval_batch_size: examples that are evaluated at a time.
    eval_every_epochs: 0 evaluates at the end alone.
    report: which evaluation is reported: 'last', 'best' (by checkpoint.best) or
      'mean10', the mean of the last ten.
    validation: share of the training examples of each evaluated task that is
      held out and evaluated in place of the test set, on which only the chosen
      checkpoint is tested; 0 for none.
    test: whether the test set is evaluated at all. Without it, as in a search,
      a run is measured by what `validation` holds out; or, without that, by the
      evaluation's split, which then is there to choose by.
    eval_checkpoint: 'latest', 'best', a step, or 'none' for what a run would
      start from.
    log_every: so many steps.
    writers: where curves go beside metrics.jsonl: 'tensorboard', 'wandb',
      'mlflow'; a run may resume with others.
    page: whether a run ends with report.html; `vidpetl report` makes it, too.
    dtype: of the computation.
    frozen_dtype: of the kernels of the backbone's layers that do not train:
      'float32', 'bfloat16' or 'int8', with scales for groups of weights.
    compile_cache: folder of compiled programs, '' for none; 'auto' is
      `$VIDPETL_CACHE`, or 'compiled' beside the working directory.
    petl: techniques bound to sites: {'site', 'technique', 'where', ...} each.
    trainable: (path regex, group) each; 'frozen' or one of optimizer.groups.
    init: whose parameters to start from.
    optimizer: how they move.
    mixture: of the tasks.
    mesh: of the devices.
    sharding: (path regex, 'replicate' or 'fsdp') each.
    checkpoint: what is kept.
    data: folder that sources of a config refer to.
    input: how data are read.
    cache: of what a frozen backbone makes of them.
  """

  mode: Annotated[str, ranges.OneOf(MODES)] = 'train'
  seed: ranges.Natural = 0
  data_seed: ranges.Natural | None = None
  epochs: ranges.Number = 15.0
  steps: ranges.Natural = 0
  batch_size: ranges.Count = 128
  accumulate: ranges.Count = 1
  eval_batch_size: ranges.Count = 128
  eval_every_epochs: ranges.Number = 1.0
  report: Annotated[str, ranges.OneOf(REPORTS)] = 'last'
  validation: ranges.Held = 0.0
  test: bool = True
  eval_checkpoint: ranges.Text | ranges.Natural = 'latest'
  log_every: ranges.Count = 50
  writers: Sequence[ranges.Text] = ('tensorboard',)
  page: bool = True
  dtype: Annotated[str, ranges.OneOf(DTYPES)] = 'bfloat16'
  frozen_dtype: Annotated[str, ranges.OneOf(KEPT)] = 'float32'
  compile_cache: str = 'auto'
  petl: Sequence[Mapping[str, Any]] = ()
  trainable: Annotated[Sequence[_Named], ranges.Filled()] = (('.*', 'all'),)
  init: Init = Init()
  optimizer: Optimizer = Optimizer()
  mixture: Mixture = Mixture()
  mesh: Mesh = Mesh()
  sharding: Annotated[Sequence[_Tactic], ranges.Filled()] = (('.*', 'fsdp'),)
  checkpoint: Checkpoint = Checkpoint()
  data: str = ''
  input: Input = Input()
  cache: Cache = Cache()


# Fields that have fields.
SECTIONS = {
  field.name: type(field.default)
  for field in dataclasses.fields(Config)
  if dataclasses.is_dataclass(field.default)
}


def get_config() -> ml_collections.ConfigDict:
  """Returns an unlocked config without backbone and tasks."""
  return ml_collections.ConfigDict(dataclasses.asdict(Config()))


def data_seed(config: Mapping[str, Any]) -> int:
  """Returns the seed of which batches follow, of a config that may be old."""
  seed = config.get('data_seed')
  return config['seed'] if seed is None else seed
