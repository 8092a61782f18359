"""PECoP, stage 2: action quality assessment (Dadashzadeh et al. 2024).

Fits a quality head and everything below it:

  python -m vidpetl.main --workdir=runs/mtl_aqa_core \
    --config=configs/pecop_aqa.py:dataset=mtl_aqa,head=core,\
init=<I3D weights>,adapter=runs/mtl_aqa_pecop/adapter

  python -m vidpetl.folds --workdir=runs/jigsaws --folds='fold=1|2|3|4' \
    --over='task=suturing|needle_passing|knot_tying' \
    --config=configs/pecop_aqa.py:dataset=jigsaws,head=musdl,init=<I3D weights>

Arguments:
  head      usdl, musdl (a network per judge), core, tsa (FineDiving alone)
  adapter   what configs/pecop_pretrain.py left with method=pecop; without it,
            none is bound. What it left with hpt_bn is a package without
            3D-Adapters: add site=none
  report    last, best, mean10 or validated, see vidpetl.recipes.reporting; if
            not given as the head's authors do, see below
  dataset, task, fold, backbone, site, reduction, kernel, norm_statistics, data,
  demo      as in configs/pecop_pretrain.py
  sampling  which frames: tail (the last ones, as of MTL-AQA), spread (over the
            performance, as of all others), segments or dense, with stride= and
            short=, see vidpetl.recipes.sampling
  csv       a table of one's own performances, `video,score,…` (csv, xlsx, ods);
            its scores decide the bins, and dataset= the other settings
  init      file of the weights to start from; hpt and dom_s leave a working
            directory

Rows, with Spearman x 100 as the paper reports it:

{rows}

"+ PECoP" is the same command with adapter= and what stage 1 left, "+ HPT" and
"+ Dom-S" with init= and its working directory, "+ HPT+BN" with adapter= and
site=none. JIGSAWS' average is Fisher's z, PD4T's the mean
(--average=arithmetic).

As in the heads' code, reported is the best epoch on the test set (report=best),
but of USDL and MUSDL on JIGSAWS the mean of the last ten epochs (mean10), over
three seeds; PECoP's own protocol is theirs. report=validated is the honest one.
The demo and csv= have the last epoch.

Weights are those of configs/pecop_pretrain.py. None of these rows was run here:
that needs the weights, the datasets and accelerators. What no paper or code
says is marked as a choice.
"""

from __future__ import annotations

import ml_collections

from vidpetl import options
from vidpetl.data import clip_spec
from vidpetl.recipes import arguments, pecop, rows, sampling, scores

ConfigDict = ml_collections.ConfigDict

# Frames of a performance, and first frames of its segments. MTL-AQA's and
# JIGSAWS' are MUSDL's, FineDiving's TSA's; PD4T's are a choice.
_CLIPS = {
  'mtl_aqa': (
    {'sampling': 'tail', 'frames': 103, 'shift': 3},
    (*range(0, 81, 10), 87),
  ),
  'jigsaws': (
    {'sampling': 'spread', 'frames': 160},
    tuple(range(0, 160, 16)),
  ),
  'finediving': (
    {'sampling': 'spread', 'frames': 96},
    tuple(range(0, 81, 10)),
  ),
  'pd4t': (
    {'sampling': 'spread', 'frames': 160},
    tuple(range(0, 160, 16)),
  ),
}

# Options of the heads. Those of FineDiving and PD4T, but for TSA, and CoRe's of
# JIGSAWS were never published and are choices.
_USDL = {
  'mtl_aqa': {'low': 0.0, 'high': 104.5, 'bins': 101, 'std': 5.0},
  'jigsaws': {'low': 6.0, 'high': 30.0, 'bins': 25, 'std': 1.0},
  'finediving': {'low': 0.0, 'high': 125.0, 'bins': 101, 'std': 5.0},
  'pd4t': {'low': 0.0, 'high': 4.0, 'bins': 41, 'std': 5.0},
}
_MUSDL = {
  'mtl_aqa': {
    **{'low': 0.0, 'high': 10.0, 'bins': 21, 'std': 5.0},
    **{'judges': 7, 'keep': 3, 'difficulty': True},
  },
  'jigsaws': {'low': 1.0, 'high': 5.0, 'bins': 5, 'std': 1.0, 'judges': 6},
}
_CORE = {
  'mtl_aqa': {
    'divide_by_difficulty': True,
    'score_range': 30.0,
    'starts': (*range(0, 81, 10), 86),
  },
  'jigsaws': {'score_range': 30.0},
  'finediving': {'score_range': 125.0},
  'pd4t': {'score_range': 5.0},
}
_TSA: dict[str, dict] = {'finediving': {}}
# Head -> its task, its options by dataset, epochs, rate, batch. USDL's and
# MUSDL's train as the backbone does; CoRe's and TSA's ten times as fast, with
# BatchNorm's running statistics left as they are. CoRe takes one pair at a time
# and a step every other one, which `_ACCUMULATED` says.
HEADS = {
  'usdl': ('usdl', _USDL, 100.0, 1e-4, 4),
  'musdl': ('usdl', _MUSDL, 100.0, 1e-4, 4),
  'core': ('core', _CORE, 200.0, 1e-3, 2),
  'tsa': ('tsa', _TSA, 200.0, 1e-3, 8),
}
_ACCUMULATED = {'core': 2}
_EPOCHS_OF_JIGSAWS = 80.0  # USDL and MUSDL
_DECAY = {('musdl', 'mtl_aqa'): 1e-5}
_RELATIVE = ('core', 'tsa')
# What a query and its exemplar have in common.
_EXEMPLARS = {
  'mtl_aqa': 'difficulty',
  'jigsaws': 'any',
  'finediving': 'action',
  'pd4t': 'any',
}


def get_config(argument: str = '') -> ConfigDict:
  """Returns the locked config of `argument`."""
  arg = pecop.parse(argument, head='core', adapter='', **sampling.ARGUMENTS)
  options.one_of('config', 'head', arg.head, HEADS)
  kind, of_dataset, epochs, rate, batch = HEADS[arg.head]
  if arg.dataset not in of_dataset:
    raise ValueError(
      f'head={arg.head} has no settings for dataset={arg.dataset}; it has them '
      f'for {", ".join(of_dataset)}.'
    )
  config = pecop.make(arg)
  relative = kind in _RELATIVE
  config.init.adapter = arg.adapter
  if arg.adapter and arg.site != 'none':
    config.petl, _ = pecop.adapters(arg)
  else:
    pecop.refuse_adapters(arg, 'none are bound: adapter= says whose')
  _set_optimizer(config, arg, rate, relative)
  config.epochs = epochs
  if arg.dataset == 'jigsaws' and not relative:
    config.epochs = _EPOCHS_OF_JIGSAWS
  config.batch_size, config.eval_batch_size = batch, 8
  config.accumulate = _ACCUMULATED.get(arg.head, 1)
  pecop.set_statistics(config, arg, 'frozen' if relative else 'batch')
  clip, starts = _CLIPS[arg.dataset]
  source = pecop.source(config, arg, arg.dataset)
  options_of_head = of_dataset[arg.dataset]
  exemplar = _EXEMPLARS[arg.dataset]
  if arg.csv:
    own = scores.table({**source, 'split': 'train'})
    options_of_head = scores.of_head(arg.head, options_of_head, own)
    exemplar = scores.exemplar(exemplar, own)
  task = {
    'task': f'quality.{kind}',
    'train': {**source, 'split': 'train'},
    'eval': {**source, 'split': 'val'},
    'clip': {**_sampled(clip, arg), **_framing(arg.dataset, arg.head)},
    'augment': pecop.augment(flip=_flips(arg.dataset)),
    'starts': starts,
    **options_of_head,
  }
  if relative:
    task['clip']['exemplar'] = exemplar
  name = pecop.task_name(arg)
  config.tasks = {name: task}
  config.checkpoint.best = f'{name}/spearman'
  # CoRe's code for JIGSAWS was never released: the best epoch is a choice.
  usual = 'mean10' if arg.dataset == 'jigsaws' and not relative else 'best'
  return pecop.finish(config, arg, demo_epochs=20.0, report=usual)


def _set_optimizer(
  config: ConfigDict, arg: ConfigDict, rate: float, relative: bool
) -> None:
  """Trains everything by Adam; below heads of pairs a tenth as fast."""
  decay = {
    'weight_decay': _DECAY.get((arg.head, arg.dataset), 0.0),
    'decay_filter': '.*',
  }
  config.trainable = (('^heads_', 'heads'), ('.*', 'backbone'))
  config.optimizer.update(
    name='adam',
    learning_rate=rate,
    schedule='constant',
    warmup_epochs=0.0,
    clip_norm=0.0,
    groups={
      'heads': {'lr_scale': 1.0, **decay},
      'backbone': {'lr_scale': 0.1 if relative else 1.0, **decay},
    },
  )


def _sampled(clip: dict, arg: ConfigDict) -> dict:
  """Returns the clip's fields, without those of another sampler."""
  return clip_spec.fitting(sampling.apply(clip, arg), 'quality')


def _framing(dataset: str, head: str) -> dict:
  """Returns how frames become squares, as the head's code has it."""
  if dataset == 'finediving':
    return pecop.STRETCHED_SMALL
  return pecop.CENTRED if head in ('usdl', 'musdl') else pecop.STRETCHED


def _flips(dataset: str) -> bool:
  """JIGSAWS is not mirrored by MUSDL's code: left and right hands differ."""
  return dataset != 'jigsaws'


def _augmentation(dataset: str, head: str) -> str:
  framing = _framing(dataset, head)
  side = framing['resolution']
  if framing.get('centred'):
    told = f'the middle {side} of a shorter side of {framing["short_side"]}'
  else:
    high, wide = framing['stretch']
    told = f'crops of {side} of frames stretched to {wide} x {high}'
  return told + (', mirrored' if _flips(dataset) else '')


def _quality(table: str, argument: str, reported: dict, **more) -> rows.Row:
  head = arguments.value(argument, 'head', 'core')
  dataset = arguments.value(argument, 'dataset', 'mtl_aqa')
  _, _, epochs, rate, batch = HEADS[head]
  if dataset == 'jigsaws' and head == 'musdl':
    epochs = _EPOCHS_OF_JIGSAWS
  return rows.Row(
    table=table,
    argument=argument,
    reported=reported,
    epochs=epochs,
    batch=batch,
    rate=rate,
    frames=_CLIPS[dataset][0]['frames'],
    augmentation=_augmentation(dataset, head),
    **more,
  )


def _reported(plain: float, hpt: float | None, pecop: float) -> dict:
  found = {'alone': plain, '+ HPT': hpt, '+ PECoP': pecop}
  return {name: value for name, value in found.items() if value is not None}


_FIGURE_5 = ('alone', '+ Dom-S', '+ HPT+BN', '+ PECoP')


def _each(dataset: str, head: str, table: str, more: str, *found: tuple):
  front = f'dataset={dataset},task={{}},head={head}{more}'
  return tuple(
    _quality(table, front.format(task), _reported(*numbers))
    for task, *numbers in found
  )


ROWS = (
  _quality('Table 1, MTL-AQA', 'head=musdl', _reported(92.73, 93.49, 93.72)),
  _quality('Table 1, MTL-AQA', 'head=core', _reported(95.12, 94.26, 95.20)),
  *_each(
    'jigsaws', 'musdl', 'Table 1, JIGSAWS', '',
    ('suturing', 71, 69, 77), ('needle_passing', 69, 75, 76),
    ('knot_tying', 71, 72, 76),
  ),
  *_each(
    'jigsaws', 'core', 'Table 1, JIGSAWS', '',
    ('suturing', 84, 80, 88), ('needle_passing', 86, 81, 90),
    ('knot_tying', 86, 80, 88),
  ),
  _quality(
    'Table 3, FineDiving', 'dataset=finediving,head=core',
    _reported(90.61, None, 93.15),
  ),
  _quality(
    'Table 3, FineDiving', 'dataset=finediving,head=tsa',
    _reported(92.03, None, 93.13),
  ),
  *_each(
    'pd4t', 'usdl', 'Table 4, PD4T', '',
    ('gait', 79.14, 81.93, 80.68), ('finger_tapping', 42.58, 46.38, 47.44),
    ('hand_movement', 53.93, 54.15, 56.19),
    ('leg_agility', 56.47, 58.54, 58.09),
  ),
  *_each(
    'pd4t', 'core', 'Table 4, PD4T', '',
    ('gait', 78.87, 81.42, 82.33), ('finger_tapping', 45.93, 49.73, 49.40),
    ('hand_movement', 54.10, 57.06, 59.46),
    ('leg_agility', 62.34, 63.98, 64.27),
  ),
  *_each(
    'pd4t', 'core', 'Table 6, PD4T, R3D-18', ',backbone=r3d',
    ('gait', 76.16, None, 79.11), ('finger_tapping', 35.35, None, 39.71),
    ('hand_movement', 50.53, None, 55.37),
    ('leg_agility', 49.96, None, 52.56),
  ),
  *(
    _quality(
      'Figure 5', argument, dict(zip(_FIGURE_5, bars)),
      note='read off the bars, by 0.2',
    )
    for argument, *bars in (
      ('head=core', 95.1, 93.1, 94.7, 95.2),
      ('dataset=jigsaws,task=suturing,head=core', 84, 79, 79, 88),
      ('dataset=jigsaws,task=needle_passing,head=core', 86, 80, 82, 90),
      ('dataset=jigsaws,task=knot_tying,head=core', 86, 79, 80, 88),
      ('dataset=pd4t,task=gait,head=core', 78.9, 81.2, 79.0, 82.3),
      ('dataset=pd4t,task=finger_tapping,head=core', 45.9, 48.3, 43.2, 49.4),
      ('dataset=pd4t,task=leg_agility,head=core', 62.3, 61.0, 63.3, 64.3),
      ('dataset=pd4t,task=hand_movement,head=core', 54.1, 58.6, 53.4, 59.5),
    )
  ),
)  # fmt: skip

__doc__ = rows.document(__doc__, ROWS)
