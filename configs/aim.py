"""AIM on CLIP, per frame (Yang et al. 2023), by its authors' code.

  python -m vidpetl.main --config=configs/aim.py:init=clip_b16.safetensors

Arguments, separated by commas:
  dataset     kinetics400, tested with 3 clips; something_something_v2 or
              diving48, tested with 3 crops.
  model       B16 or L14.
  frames      8, 16 or 32 (by default 8, of diving48 32): of Kinetics every
              sixteenth, eighth or fourth; of the others one of each of as many
              segments.
  method      aim:k400_b16, aim:k400_l14, aim:ssv2_b16, aim:ssv2_l14 or
              aim:diving48_b16, by default that of dataset and model, with
              ratio, scale, inner (a second temporal adapter) and drop_path; or
              any other method of vidpetl/recipes/methods.py.
  sampling, stride, short   how clips are sampled otherwise.
  report      last, best, mean10 or validated; see vidpetl/recipes/reporting.py.
  init        the pretrained backbone, converted as below; or a run's workdir.
  head, where, data, demo, pretrain   as in configs/vpetl.py.

Rows, with the trained parameters and the top-1 that are printed:

{rows}

Weights: OpenAI's ViT-B-16.pt and ViT-L-14.pt,

  python -m vidpetl.convert --from=clip ViT-B-16.pt clip_b16.safetensors

AdamW with 3e-4, 64 clips a step, 2.5 epochs of warm-up, then a cosine; weight
decay of 0.05 but for the LayerNorm; 30 epochs of Kinetics, 50 of the others.
Paths of the temporal adapters and of those beside the MLPs are left out, at a
rate of up to 0.2 in the last block, and nothing else of the backbone; dropout
of 0.5 before a head that starts from N(0, 0.01^2). Training clips are
random-resized-crops, tests resize the shorter side to 224. Kinetics and
Diving48 are mirrored; Something-Something has RandAugment, random erasing and
label smoothing instead, two temporal adapters in each block, and adapters
beside the MLP at full scale.

ViT-L/14 on Something-Something: the released config has one temporal adapter
(38M), the paper's table and MST-Adapter's say 50M, which is two; `inner=false`
is the other reading.
Differs: a path is left out for a clip, there for the same place of all clips;
RandAugment is timm's with 4 operations of magnitude 7, there imgaug's with the
same numbers.
None of these rows was run here: that needs weights, datasets and accelerators.
"""

import ml_collections

from vidpetl import options
from vidpetl.recipes import arguments, presets, rows, tuning

MODELS = {'B16': 'clip_b16', 'L14': 'clip_l14'}
RATE, WEIGHT_DECAY, WARMUP, BATCH = 3e-4, 0.05, 2.5, 64
# All that trains but the LayerNorm before the head.
DECAYS = '^(?!backbone/norm/)'
# Frames of the dataset that a clip of Kinetics spans.
SPAN = 128
CLIP = {'resolution': 224, 'short_side': 224, 'area': (0.08, 1.0)}
_CROPS = 'random-resized-crops of 8 to 100 % of the area'
# Dataset -> of which tuned models, epochs, frames, (clips, crops) of a test,
# and fields of clip and augmentation.
DATASETS = {
  'kinetics400': {
    'tuned': 'k400',
    'epochs': 30.0,
    'frames': 8,
    'views': (3, 1),
    'clip': {'short': 'loop', 'places': 'centres'},
    'augment': {},
    'words': f'{_CROPS}, mirrored',
  },
  'something_something_v2': {
    'tuned': 'ssv2',
    'epochs': 50.0,
    'frames': 8,
    'views': (1, 3),
    'clip': {'sampling': 'segments', 'rounded': True},
    'augment': {'rand_augment': (4, 7, 0.0), 'erasing': 0.25},
    'words': f'{_CROPS}, RandAugment, random erasing, label smoothing',
  },
  'diving48': {
    'tuned': 'diving48',
    'epochs': 50.0,
    'frames': 32,
    'views': (1, 3),
    'clip': {'sampling': 'segments', 'rounded': True},
    'augment': {},
    'words': f'{_CROPS}, mirrored',
  },
}


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  dataset = arguments.value(argument, 'dataset', 'kinetics400')
  model = arguments.value(argument, 'model', 'B16')
  options.one_of('config', 'dataset', dataset, DATASETS)
  options.one_of('config', 'model', model, MODELS)
  recipe = DATASETS[dataset]
  arg = tuning.parse(
    argument,
    f'aim:{recipe["tuned"]}_{model.lower()}',
    dataset=dataset,
    model=model,
    frames=recipe['frames'],
  )
  preset = presets.find(MODELS[model])
  config = tuning.tuning(arg)
  config.backbone = dict(preset.fields)
  config.epochs, config.batch_size = recipe['epochs'], BATCH
  tuning.adamw(config, RATE, WARMUP, WEIGHT_DECAY, DECAYS)
  tuning.set_video_task(
    config,
    arg,
    dataset,
    {
      'frames': arg.frames,
      'stride': SPAN / arg.frames,
      **CLIP,
      **recipe['clip'],
    },
    {'mean': preset.mean, 'std': preset.std, **recipe['augment']},
    views=recipe['views'],
  )
  return tuning.finish(config, arg, preset)


def _rows(dataset: str, table: str, *entries: tuple) -> tuple[rows.Row, ...]:
  """Returns rows of (argument, printed millions, top-1, note) on a dataset."""
  recipe = DATASETS[dataset]
  front = '' if dataset == 'kinetics400' else f'dataset={dataset}'
  made = []
  for argument, printed, top1, *note in entries:
    frames = int(arguments.value(argument, 'frames', str(recipe['frames'])))
    stride = SPAN / frames if dataset == 'kinetics400' else 0
    made.append(
      rows.of_clips((front, argument), printed, top1, note, frames, stride)
    )
  shared = {
    'table': table,
    'epochs': recipe['epochs'],
    'batch': BATCH,
    'rate': RATE,
    'views': recipe['views'],
    'augmentation': recipe['words'],
  }
  return rows.make(shared, made)


_K400, _SSV2, _DIVING = DATASETS
_HEAD = 'printed without the head'

ROWS = (
  *_rows(
    _K400, 'AIM, Kinetics-400',
    ('', '11M', 83.9), ('frames=16', '11M', 84.5), ('frames=32', '11M', 84.7),
    ('model=L14', '38M', 86.8), ('model=L14,frames=16', '38M', 87.3),
    ('model=L14,frames=32', '38M', 87.5),
  ),
  *_rows(
    _SSV2, 'AIM, Something-Something v2',
    ('', '14M', 66.4), ('model=L14', '50M', 67.6, _HEAD),
    ('model=L14,frames=16', '50M', 69.4, _HEAD),
  ),
  *_rows(_DIVING, 'AIM, Diving48', ('', '11M', 88.9)),
  *_rows(
    _K400, 'MST-Adapter, Table 1, Kinetics-400',
    ('model=L14,frames=16', '38M', 87.3),
  ),
  *_rows(
    _SSV2, 'MST-Adapter, Table 2, Something-Something v2',
    ('model=L14,frames=16', '50M', 69.4, _HEAD),
  ),
)  # fmt: skip

__doc__ = rows.document(__doc__, ROWS)
