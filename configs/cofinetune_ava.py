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
  sampling    weighted or alternating.
  ava_kinetics   AVA-Kinetics in place of AVA.
  method      what trains: full, or a method of vidpetl/recipes/methods.py with
              its options: method=patt,bottleneck=128,init=….
  init        what to start from: a converted file, or a run's workdir.

The paper's rows (frame-mAP on AVA v2.2, single view), from ImageNet-21k:
  Table 3, K400 + AVA           25.2   :with=kinetics400
  Table 3, K400 + MiT + AVA     26.3   :with=kinetics400+moments_in_time
  Table 3, + SSv2               26.8   (no arguments)
  Table 4, alternating          25.0   :with=kinetics400+moments_in_time,
                                        sampling=alternating
  Table 8, 352p, 416p, 512p     29.1, 30.1, 31.0
                                       :with=kinetics400+moments_in_time,
                                        resolution=352
  Table 6, ViViT-B              31.2   :resolution=512
  Table 6, ViViT-L              32.8   :variant=L,resolution=512,
                                        with=kinetics700+moments_in_time+
                                        something_something_v2
  Table 7, AVA-Kinetics, L      33.1   the same with ava_kinetics
  Table 3, K400 then AVA        23.4   :pretrain,with=kinetics400, and then
                                       :finetune,init=<workdir>

ImageNet-21k's weights are those of google-research/vision_transformer,
imagenet21k/ViT-B_16.npz and ViT-L_16.npz:

  python -m vidpetl.convert --from=vit_npz --to=vivit ViT-B_16.npz \
    vit_b16_in21k.safetensors

and then init=vit_b16_in21k.safetensors; or scenic's ViViT (--from=vivit).

None of these was run here: that needs the datasets and accelerators. What was
run is the demo; the README has its results.
"""

import ml_collections

from vidpetl.recipes import arguments, defaults, methods

CLASSES = {
  'kinetics400': 400,
  'kinetics600': 600,
  'kinetics700': 700,
  'moments_in_time': 339,
  'something_something_v2': 174,
}
# Strides count frames of this rate; videos of other rates are sampled by time.
FPS = {
  'ava': 30.0,
  'ava_kinetics': 30.0,
  'kinetics400': 25.0,
  'kinetics600': 25.0,
  'kinetics700': 25.0,
  'moments_in_time': 25.0,
  'something_something_v2': 12.0,
}
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
    sampling='weighted',
    ava_kinetics=False,
    **{'with': DATASETS},
  )
  config = paper(arg)
  return (demo(config) if arg.demo else config).lock()


def paper(arg: ml_collections.ConfigDict) -> ml_collections.ConfigDict:
  """Section 4.1 and appendix A.1 of the paper, at the scale of a pod."""
  config = defaults.get_config()
  config.data = 'data/prepared'  # The --out of vidpetl.prepare.
  config.epochs = 20.0 if arg.finetune else 15.0
  config.backbone = {
    'name': 'vivit',
    'variant': arg.variant,
    'attention': 'factorised_encoder',
    'temporal': 'dense',
    'temporal_depth': 4,
    'stochastic_depth': 0.2,
    'remat': True,
  }
  chosen = {name: arg[name] for name in methods.options(arg.method)}
  config.petl, config.trainable = methods.make(arg.method, **chosen)
  if config.petl:
    config.init.skip = ('^heads_', '/site_')
  config.init.path = arg.init
  config.mixture.mode = arg.sampling
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
    'stride': 2,
    'fps': FPS[dataset],
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
    'num_classes': 80,
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
    'pictures': 8,
  }


def classification(config, arg: ml_collections.ConfigDict, name: str) -> dict:
  """One of the co-finetuning datasets."""
  if name not in CLASSES:
    raise ValueError(f'with={name!r} is none of {sorted(CLASSES)}.')
  source = {
    'source': 'records',
    'path': config.get_ref('data'),
    'dataset': name,
  }
  # In Something-Something, left and right are what labels are about.
  flip = {'flip': name != 'something_something_v2'}
  return {
    'task': 'classification',
    'num_classes': CLASSES[name],
    'train': {**source, 'split': 'train'},
    'eval': {**source, 'split': 'val'},
    'clip': clip(arg, name),
    'eval_clip': {'views': (1, 1)},
    'augment': {**augment(), **flip},
    'label_smoothing': 0.1,
    'init_bias': 0.0,
  }


DEMO_CLASSES = {
  'kinetics400': 10,
  'moments_in_time': 8,
  'something_something_v2': 8,
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
  config.backbone = {
    'name': 'vivit',
    'width': 96,
    'depth': 2,
    'heads': 3,
    'mlp': 384,
    'tubelet': (2, 16, 16),
    'attention': 'factorised_encoder',
    'temporal': 'dense',
    'temporal_depth': 1,
    'stochastic_depth': 0.0,
    'remat': False,
  }
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
      task.num_classes = DEMO_CLASSES[name]
    task.augment.scale_jitter = (0.85, 1.1)
  return config
