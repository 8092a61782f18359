"""Every field that a config of an experiment has, with its default.

Fields:
  mode: 'train', or 'eval' for `eval_checkpoint` ('latest', 'best', a step, or
    'none' for what a run would start from).
  seed: of everything.
  epochs: one is the sum of the datasets over the batch size.
  steps: if positive, in place of epochs.
  batch_size: examples of a step, over all devices.
  accumulate: parts that a batch is worked off in.
  eval_every_epochs: 0 evaluates at the end alone.
  report: which evaluation is reported: 'last', 'best' (by checkpoint.best) or
    'mean10', the mean of the last ten.
  validation: share of the training examples of each evaluated task that is
    held out and evaluated in place of the test set, on which only the chosen
    checkpoint is tested; 0 for none.
  writers: where curves go beside metrics.jsonl: 'tensorboard', 'wandb',
    'mlflow'; a run may resume with others.
  page: whether a run ends with report.html; `vidpetl report` makes it, too.
  dtype: of the computation.
  compile_cache: folder of compiled programs, '' for none; 'auto' is
    `$VIDPETL_CACHE`, or 'compiled' beside the working directory.
  petl: techniques bound to sites: {'site', 'technique', 'where', ...} each.
  trainable: (path regex, group) each; 'frozen' or one of optimizer.groups.
  init: whose parameters to start from (`path`): a workdir, a file of
    `vidpetl.convert`, or a published file of a `family` (which a converted
    file knows itself), which may hold several sets (`entry`); what is to stay
    as drawn, or to be left out (`skip`, regexes of names; the heads of its
    tasks are never skipped where a run only evaluates). If its tokens' `grid`
    or its `window`s are others, (t, h, w), and how to `inflate` an image's
    filters ('central' or 'average'): runs, files of `vidpetl.convert` and
    families know that themselves.
    An adapter package to put on them (`adapter`). Whose mean and standard
    deviation of pixels all tasks take (`pixels`): those of the 'weights',
    where they are known, or those of the 'config', augment.mean and .std.
  optimizer: see `vidpetl.experiment.optimizer`; hold_absent_heads keeps a
    head still in the steps of other tasks, instead of moving on by its
    momentum.
  mixture: 'weighted' (by size, or weights), 'alternating' or 'permuted'.
  mesh: devices along 'data' and 'fsdp'.
  sharding: (path regex, 'replicate' or 'fsdp') each.
  checkpoint: every so many steps; keep the latest few and the best. None is
    saved while losses are `diverged` times as far above those before as these
    scatter; 0 saves whatever is a number (see `vidpetl.training.divergence`).
    `accept` names the fields, separated by commas, in which a run that goes on
    may be another than it was (see `vidpetl.training.identity`).
  data: folder that sources of a config refer to.
  input: clips decoded at a time, batches kept decoded, and on the devices;
    the largest share of any split that may be undecodable; whether the run
    says at its start what is odd about the data (`check`: 'on' or 'off').
"""

from __future__ import annotations

import ml_collections


def get_config() -> ml_collections.ConfigDict:
  """Returns an unlocked config without backbone and tasks.

  The module's docstring says what its fields are.
  """
  config = ml_collections.ConfigDict()
  config.mode = 'train'
  config.seed = 0
  config.epochs = 15.0
  config.steps = 0
  config.batch_size = 128
  config.accumulate = 1
  config.eval_batch_size = 128
  config.eval_every_epochs = 1.0
  config.report = 'last'
  config.validation = 0.0
  config.eval_checkpoint = 'latest'
  config.log_every = 50
  config.writers = ('tensorboard',)
  config.page = True
  config.dtype = 'bfloat16'
  config.compile_cache = 'auto'
  config.petl = ()
  config.trainable = (('.*', 'all'),)
  config.init = {
    'path': '',
    'family': '',
    'entry': '',
    'skip': ('^heads_',),
    'grid': (),
    'window': (),
    'inflate': '',
    'adapter': '',
    'pixels': 'weights',
  }
  config.optimizer = {
    'name': 'sgd',
    'momentum': 0.9,
    'beta1': 0.9,
    'beta2': 0.999,
    'learning_rate': 0.2,
    'schedule': 'cosine',
    'final': 0.0,
    'milestones': (),
    'tails': (),
    'warmup_epochs': 2.5,
    'clip_norm': 1.0,
    'groups': {'all': {'lr_scale': 1.0, 'weight_decay': 0.0}},
    'hold_absent_heads': False,
  }
  config.mixture = {'mode': 'weighted', 'weights': {}}
  config.mesh = {'data': -1, 'fsdp': 1}
  config.sharding = (('.*', 'fsdp'),)
  config.checkpoint = {'every': 1000, 'keep': 2, 'best': ''}
  config.checkpoint.update(diverged=10.0, accept='')
  config.data = ''
  config.input = {
    'workers': 32,
    'prefetch': 2,
    'ready': 2,
    'max_undecodable': 0.1,
    'check': 'on',
  }
  return config
