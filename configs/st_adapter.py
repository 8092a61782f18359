"""ST-Adapter on CLIP, per frame (Pan et al. 2022), by its authors' code.

  python -m vidpetl.main \
    --config=configs/st_adapter.py:init=clip_b16.safetensors

Arguments, separated by commas:
  dataset     kinetics400, tested with 3 clips, or something_something_v2,
              tested with 3 crops.
  frames      8, 16 or 32: of Kinetics every sixteenth, eighth or fourth; of
              Something-Something one of each of as many segments.
  method      st_adapter:k400_b16 (12 adapters, before each MLP) or
              st_adapter:ssv2_b16 (24, before each attention as well), by
              default that of the dataset, with bottleneck, kernel and
              per_block; or any other method of vidpetl/recipes/methods.py.
  sampling, stride, short   how clips are sampled otherwise.
  report      last, best, mean10 or validated; see vidpetl/recipes/reporting.py.
  init        the pretrained backbone, converted as below; or a run's workdir.
  head, where, data, demo, pretrain   as in configs/vpetl.py.

Rows, with the trained parameters and the top-1 that are printed. The first two
are the models that the authors released, trained by this recipe; MST-Adapter
quotes the paper, whose models saw 16 frames:

{rows}

Weights: OpenAI's ViT-B-16.pt,

  python -m vidpetl.convert --from=clip ViT-B-16.pt clip_b16.safetensors

AdamW with 1e-3 per 256 clips, 2 epochs of warm-up, then a cosine; weight decay
of 0.01 but for biases; dropout of 0.5 before a head that starts from N(0,
0.02^2). The head reads the LayerNorm of the mean class token. Kinetics: 12
epochs of 3 x 64 clips, squares out of a shorter side of 224 to 258, mirrored.
Something-Something: 50 epochs of 4 x 64, random-resized-crops and RandAugment
(rand-m7-n4-mstd0.5-inc1), not mirrored. Tests resize the shorter side to 224.

Differs: there RandAugment changes whole frames before the crop, here the crop.
The one adapter of the last block that is before the MLP decides nothing, as in
the original: a class token does not see the patches any more.
None of these rows was run here: that needs weights, datasets and accelerators.
"""

import ml_collections

from vidpetl import options
from vidpetl.recipes import arguments, presets, rows, tuning

PRESET = 'clip_b16'
RATE, WEIGHT_DECAY, WARMUP = 1e-3, 0.01, 2.0
# Frames of the dataset that a clip of Kinetics spans.
SPAN = 128
CLIP = {'resolution': 224, 'interpolation': 'bicubic', 'short_side': 224}
# Dataset -> tuned model, epochs, clips a step, (clips, crops) of a test, and
# fields of clip and augmentation.
DATASETS = {
  'kinetics400': {
    'method': 'st_adapter:k400_b16',
    'epochs': 12.0,
    'batch': 192,
    'views': (3, 1),
    'clip': {'scale': (224, 258), 'short': 'hold', 'places': 'ends'},
    'augment': {},
    'words': 'squares of 224 out of a shorter side of 224 to 258, mirrored',
  },
  'something_something_v2': {
    'method': 'st_adapter:ssv2_b16',
    'epochs': 50.0,
    'batch': 256,
    'views': (1, 3),
    'clip': {
      'sampling': 'segments',
      'rounded': True,
      'area': (0.08, 1.0),
    },
    'augment': {'rand_augment': (4, 7, 0.5)},
    'words': 'random-resized-crops of 8 to 100 % of the area, RandAugment',
  },
}


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  dataset = arguments.value(argument, 'dataset', 'kinetics400')
  options.one_of('config', 'dataset', dataset, DATASETS)
  recipe = DATASETS[dataset]
  arg = tuning.parse(argument, recipe['method'], dataset=dataset, frames=8)
  preset = presets.find(PRESET)
  config = tuning.tuning(arg)
  config.backbone = dict(preset.fields)
  config.epochs, config.batch_size = recipe['epochs'], recipe['batch']
  config.eval_every_epochs = 5.0
  rate = RATE * recipe['batch'] / 256
  tuning.adamw(config, rate, WARMUP, WEIGHT_DECAY)
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
  """Returns rows of (frames, printed millions, top-1, note) on a dataset."""
  recipe = DATASETS[dataset]
  front = '' if dataset == 'kinetics400' else f'dataset={dataset}'
  made = []
  for frames, printed, top1, *note in entries:
    behind = '' if frames == 8 else f'frames={frames}'
    stride = SPAN / frames if dataset == 'kinetics400' else 0
    made.append(
      rows.of_clips((front, behind), printed, top1, note, frames, stride)
    )
  shared = {
    'table': table,
    'epochs': recipe['epochs'],
    'batch': recipe['batch'],
    'rate': RATE * recipe['batch'] / 256,
    'views': recipe['views'],
    'augmentation': recipe['words'],
  }
  return rows.make(shared, made)


_K400, _SSV2 = DATASETS

ROWS = (
  *_rows(_K400, 'ST-Adapter, released model, Kinetics-400', (8, '', 82.2)),
  *_rows(
    _SSV2, 'ST-Adapter, released model, Something-Something v2', (8, '', 66.9)
  ),
  *_rows(_K400, 'MST-Adapter, Table 1, Kinetics-400', (16, '7M', 82.5)),
  *_rows(
    _SSV2, 'MST-Adapter, Table 2, Something-Something v2',
    (16, '7M', 69.3,
     "14M by count: 7M is Kinetics' model with 12 adapters, this has 24"),
  ),
)  # fmt: skip

__doc__ = rows.document(__doc__, ROWS)
