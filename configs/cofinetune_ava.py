"""Co-finetuning for action localisation (Arnab et al. 2022).

One ViViT factorised encoder learns AVA together with classification datasets,
each batch from one of them, each dataset with its own linear head.

  python -m vidpetl.main --config=configs/cofinetune_ava.py[:arguments]

Arguments, separated by commas:
  demo        the demo world on a laptop; see launch/demo.sh.
  finetune    AVA alone: the paper's baseline.
  pretrain    the classification datasets alone: what the baseline starts from.
  with=a+b    classification datasets: kinetics400 (or 600, 700),
              moments_in_time, something_something_v2.
  variant     B or L.
  resolution  longer side in pixels; a multiple of 16.
  mixture     weighted or alternating: which dataset a batch is of.
  sampling, stride, short   of clips of the classification datasets, see
              vidpetl.recipes.sampling.
  ava_kinetics   AVA-Kinetics in place of AVA.
  method      what trains: full, or a method of vidpetl/recipes/methods.py with
              its options: method=patt,bottleneck=128,init=….
  report      last (the paper's), best, mean10 or validated, see
              vidpetl.recipes.reporting.
  init        what to start from: a converted file, or a run's workdir.

The paper's rows (frame-mAP on AVA v2.2, single view), from ImageNet-21k:

{rows}

ImageNet-21k's weights are those of google-research/vision_transformer,
imagenet21k/ViT-B_16.npz and ViT-L_16.npz:

  python -m vidpetl.convert --from=vit_npz --to=vivit ViT-B_16.npz \
    vit_b16_in21k.safetensors

and then init=vit_b16_in21k.safetensors; or scenic's ViViT (--from=vivit).

Records for more than 224 pixels are prepared for their config; those of AVA
keep their size in any case:

  python -m vidpetl.prepare --config=cofinetune_ava:resolution=512 \
    --dataset=kinetics400 --raw=<Kinetics> --out=data/prepared512

None of these was run here: that needs the datasets and accelerators. What was
run is the demo; the README has its results.
"""

import ml_collections

from vidpetl import options
from vidpetl.data import datasets
from vidpetl.recipes import (
  arguments,
  defaults,
  methods,
  presets,
  reporting,
  rows,
  sampling,
)

DATASETS = ('kinetics400', 'moments_in_time', 'something_something_v2')


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `arguments`."""
  method = arguments.value(argument, 'method', 'full')
  arg = arguments.parse(
    argument,
    method=method,
    **methods.options(method),
    demo=False,
    finetune=False,
    pretrain=False,
    variant='B',
    init='',
    resolution=224,
    mixture='weighted',
    **sampling.ARGUMENTS,
    report='last',
    ava_kinetics=False,
    **{'with': DATASETS},
  )
  config = paper(arg)
  config = demo(config) if arg.demo else config
  if arg.report != 'last':
    first, *_ = config.tasks
    config.checkpoint.best = config.checkpoint.best or f'{first}/top1'
    reporting.apply(config, arg.report)
  return config.lock()


def paper(arg: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Section 4.1 and appendix A.1 of the paper, at the scale of a pod."""
  config = defaults.get_config()
  config.data = 'data/prepared'  # The --out of vidpetl.prepare.
  config.epochs = 20.0 if arg.finetune else 15.0
  options.one_of('config', 'variant', arg.variant, ('B', 'L'))
  config.backbone = {
    **presets.find(f'vivit_{arg.variant.lower()}').fields,
    # Also of L, whose checkpoints for Kinetics have 24.
    'temporal_depth': 4,
    'stochastic_depth': 0.2,
    'remat': True,
  }
  chosen = {name: arg[name] for name in methods.options(arg.method)}
  config.petl, config.trainable = methods.make(arg.method, **chosen)
  if config.petl:
    config.init.skip = ('^heads_', '/site_')
  config.init.path = arg.init
  config.mixture.mode = arg.mixture
  if arg.finetune and arg.pretrain:
    raise ValueError('finetune and pretrain are two runs, one after the other.')
  config.tasks = {}
  if not arg.pretrain:
    config.tasks.ava = localisation(config, arg)
    config.checkpoint.best = 'ava/mAP'
  for name in () if arg.finetune else arg['with']:
    config.tasks[name] = classification(config, arg, name)
  return config


def clip(arg: ml_collections.ConfigDict, dataset: str) -> dict:
  return {
    'frames': 32,
    'stride': arg.stride or 2,
    # Strides count frames of this rate; other videos are sampled by time.
    'fps': datasets.find(dataset).fps,
    'resolution': arg.resolution,
  }


def augment() -> dict:
  return {'scale_jitter': (0.65, 1.1), 'flip': True, 'pad_value': 0.0}


def localisation(config, arg: ml_collections.ConfigDict) -> dict:
  """AVA, or AVA-Kinetics: boxes of section A.1."""
  dataset = 'ava_kinetics' if arg.ava_kinetics else 'ava'
  source = {
    'source': 'records',
    'path': config.get_ref('data'),
    'dataset': dataset,
  }
  boxes, score = (
    ('ground_truth', 0.2) if arg.ava_kinetics else ('detected', 0.8)
  )
  return {
    'task': 'localisation',
    'num_classes': datasets.find(dataset).num_classes,
    'train': {**source, 'split': 'train'},
    'eval': {**source, 'split': 'val'},
    'clip': {
      **clip(arg, dataset),
      'max_boxes': 32,
      'boxes': boxes,
      'min_score': score,
    },
    'eval_clip': {'max_boxes': 64, 'boxes': 'detected'},
    'augment': {**augment(), 'box_jitter': 0.15},
    'label_smoothing': 0.1,
    'init_bias': 0.0,
    'pool': (7, 7),
    'sampling_ratio': 0,
    'spatial_pool': 'max',
    'protocols': ('2020',) if arg.ava_kinetics else ('2019', 'slowfast'),
    'parts': ('ava', 'kinetics') if arg.ava_kinetics else (),
    'pictures': 8,
  }


def classification(config, arg: ml_collections.ConfigDict, name: str) -> dict:
  """One of the co-finetuning datasets."""
  known = datasets.find(name)
  if known.kind != 'classification':
    raise ValueError(f'with={name}: {known.title} is for {known.kind}.')
  source = {
    'source': 'records',
    'path': config.get_ref('data'),
    'dataset': name,
  }
  return {
    'task': 'classification',
    'num_classes': known.num_classes,
    'train': {**source, 'split': 'train'},
    'eval': {**source, 'split': 'val'},
    # scenic's input loops videos that are too short.
    'clip': sampling.apply({**clip(arg, name), 'short': 'loop'}, arg),
    'eval_clip': {'views': (1, 1)},
    'augment': {**augment(), 'flip': known.mirrored},
    'label_smoothing': 0.1,
    'init_bias': 0.0,
  }


def demo(config: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """The demo world: a model of a few layers, from scratch, on a CPU."""
  config.data = 'demo/records'
  config.dtype = 'float32'
  config.batch_size = 8
  config.eval_batch_size = 16
  config.epochs = 8.0
  config.eval_every_epochs = 0.0
  config.log_every = 50
  config.backbone.update(presets.find('vivit_b').small)
  config.optimizer.update(
    name='adamw',
    learning_rate=2e-3,
    warmup_epochs=0.3,
    groups={'all': {'lr_scale': 1.0, 'weight_decay': 0.01}},
  )
  config.checkpoint.every = 100
  config.input.update(workers=2, prefetch=2, ready=2)
  for name, task in config.tasks.items():
    task.clip.update(frames=16, stride=2, fps=15.0, resolution=64)
    task.label_smoothing = 0.0
    if name == 'ava':
      task.clip.max_boxes = 8
      task.eval_clip.max_boxes = 8
      task.augment.box_jitter = 0.05
      task.init_bias = -4.0
      task.pool = (4, 4)
    else:
      task.num_classes = datasets.find(name).demo_classes
    task.augment.scale_jitter = (0.85, 1.1)
  return config


def _row(
  table: str,
  argument: str,
  reported: float,
  metric: str = 'mAP',
  more: dict | None = None,
  **fields,
) -> dict:
  """Returns a row whose metrics are `metric`, and those of `more`."""
  return {
    'table': table,
    'argument': argument,
    'reported': {metric: reported, **(more or {})},
    **fields,
  }


_TWO = 'with=kinetics400+moments_in_time'
_LARGE = 'with=kinetics700+moments_in_time+something_something_v2'

ROWS = rows.make(
  {
    'epochs': 15.0,
    'batch': 128,
    'rate': 0.2,
    'frames': 32,
    'stride': 2.0,
    'augmentation': 'scaled by 0.65 to 1.1, mirrored but for Something-'
    "Something, boxes' edges moved by up to 15 %",
  },
  (
    _row(
      'Table 1a', 'pretrain,with=kinetics400', metric='K400 top-1',
      reported=74.9, note='top-1 on K400',
    ),
    _row(
      'Table 1a', 'finetune', 23.4, epochs=20.0,
      note='with init= what :pretrain,with=kinetics400 left',
    ),
    _row('Table 1a', 'with=kinetics400', 25.2, more={'K400 top-1': 76.2}),
    _row(
      'Table 1b', 'pretrain,with=moments_in_time', metric='MiT top-1',
      reported=36.8, note='top-1 on MiT',
    ),
    _row(
      'Table 1b', 'finetune', 24.8, epochs=20.0,
      note='with init= what :pretrain,with=moments_in_time left',
    ),
    _row(
      'Table 1b', 'with=moments_in_time', 26.1, more={'MiT top-1': 38.1},
    ),
    _row(
      'Table 2', 'pretrain,with=moments_in_time', metric='MiT top-1',
      reported=37.2,
      note='top-1 on MiT, with init= what :pretrain,with=kinetics400 left',
    ),
    _row(
      'Table 2', 'pretrain,with=kinetics400', metric='K400 top-1',
      reported=76.3,
      note='top-1 on K400, with init= what :pretrain,with=moments_in_time left',
    ),
    _row(
      'Table 2', 'finetune', 25.3, metric='mAP from K400, then MiT',
      more={'from MiT, then K400': 25.1}, epochs=20.0,
      note='with init= what the second :pretrain left',
    ),
    _row('Table 2', _TWO, 26.3, more={'K400 top-1': 76.7, 'MiT top-1': 38.9}),
    _row(
      'Table 3', 'finetune', 23.4, epochs=20.0,
      note='with init= what :pretrain,with=kinetics400 left',
    ),
    _row('Table 3', 'with=kinetics400', 25.2),
    _row('Table 3', _TWO, 26.3),
    _row('Table 3', '', 26.8),
    _row('Table 4', f'{_TWO},mixture=alternating', 25.0),
    _row('Table 6', 'resolution=512', 31.2),
    _row('Table 6', f'variant=L,resolution=512,{_LARGE}', 32.8),
    _row(
      'Table 7', f'ava_kinetics,variant=L,resolution=512,{_LARGE}', 33.1,
      more={'true boxes': 47.0, 'Kinetics alone, true boxes': 47.0},
      note='true boxes: --config.tasks.ava.eval_clip.boxes=ground_truth; '
      'Kinetics alone: mAP_kinetics',
    ),
    *(
      _row(
        'Table 8', f'finetune,resolution={resolution}', reported, epochs=20.0,
        note='with init= what :pretrain,with=kinetics400 left',
      )
      for resolution, reported in ((352, 26.9), (416, 27.5), (512, 28.5))
    ),
    _row('Table 8', f'{_TWO},resolution=352', 29.1),
    _row('Table 8', f'{_TWO},resolution=416', 30.1),
    _row('Table 8', f'{_TWO},resolution=512', 31.0),
  ),
)  # fmt: skip

__doc__ = rows.document(__doc__, ROWS)
