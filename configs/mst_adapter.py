"""MST-Adapter on CLIP, per frame (Chang et al.).

  python -m vidpetl.main \
    --config=configs/mst_adapter.py:init=clip_b16.safetensors

Arguments, separated by commas:
  dataset     kinetics400, tested with 3 clips, or something_something_v2,
              tested with 3 crops.
  model       B16 or L14.
  frames      8 or 16: of Kinetics every sixteenth or eighth; of
              Something-Something over 4 seconds, which is most of a clip.
  method      mst_adapter with the options below; or any other method of
              vidpetl/recipes/methods.py.
  bottleneck, kernels (3+5+7 is 3x1x1+5x1x1+7x1x1), fuse (learned, average),
  pointwise (the 1x1x1 convolution), dense (false makes that depth-wise), cls
              (whether class tokens are adapted)   of the adapters;
  placement   and where they are: post_residual; A, B and C of the paper are
              pre_norm, post_norm and pre_residual.
  shift, div, shift_sites   [CLS] token shift: 1/div of the channels each way,
              in front of the attention; TokShift's are
              shift_sites=block_in+attn_residual.
  layers      'first-last', counted from 1; all by default.
  sampling, stride, short   how clips are sampled otherwise: stride=16 takes
              every sixteenth frame of Something-Something, too, as the paper
              says; sampling=segments is what its baselines do there.
  report      last, best, mean10 or validated; see vidpetl/recipes/reporting.py.
  init        the pretrained backbone, converted as below; or a run's workdir.
  head, where, data, demo, pretrain   as in configs/vpetl.py.

Rows, with the trained parameters that the paper prints and the top-1 that it
reports. Its rows of ST-Adapter and AIM, whose recipes are others, are those of
configs/st_adapter.py and configs/aim.py:

{rows}

Weights: OpenAI's ViT-B-16.pt and ViT-L-14.pt,

  python -m vidpetl.convert --from=clip ViT-B-16.pt clip_b16.safetensors

AdamW with 1.5e-4 and weight decay 0.05, 30 epochs, 5 of them warm-up; the
paper trains 4 clips on each of 4 GPUs. Squares of 224 are cut at random out of
a shorter side of 256 to 320. They are mirrored but for Something-Something,
whose labels tell left from right (a choice: the paper makes no exception).
Where it is silent (kernels, width, activation, class tokens),
vidpetl/petl/techniques/mst_adapter.py says what is assumed. None of these rows
was run here: that needs weights, datasets and accelerators.
"""

import re

import ml_collections

from vidpetl import options
from vidpetl.data import datasets
from vidpetl.recipes import arguments, crops, presets, rows, tuning

MODELS = {'B16': 'clip_b16', 'L14': 'clip_l14'}
EPOCHS, WARMUP, BATCH = 30.0, 5.0, 16
RATE, WEIGHT_DECAY = 1.5e-4, 0.05
# Dataset -> frames that a clip spans, and (clips, crops) of a test. The paper
# takes every 16th or 8th frame. A choice: Something-Something's clips, 4 s at
# 12 frames a second, are shown whole instead.
DATASETS = {
  'kinetics400': (128, (3, 1)),
  'something_something_v2': (48, (1, 3)),
}
# The paper's crops. It does not say from which size a test crops, nor how
# frames are resized. Choices: 256, the usual one, and bicubic, as CLIP's own.
CLIP = {**crops.USUAL, 'interpolation': 'bicubic'}


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  layers = arguments.value(argument, 'layers', '')
  arg = tuning.parse(
    argument,
    'mst_adapter',
    dataset='kinetics400',
    model='B16',
    frames=8,
    layers='',
    **({'where': _layers(layers)} if layers else {}),
  )
  options.one_of('config', 'dataset', arg.dataset, DATASETS)
  options.one_of('config', 'model', arg.model, MODELS)
  preset = presets.find(MODELS[arg.model])
  config = tuning.tuning(arg)
  config.backbone = dict(preset.fields)
  config.epochs, config.batch_size = EPOCHS, BATCH
  tuning.adamw(config, RATE, WARMUP, WEIGHT_DECAY)
  span, views = DATASETS[arg.dataset]
  tuning.set_video_task(
    config,
    arg,
    arg.dataset,
    {
      'frames': arg.frames,
      'stride': span / arg.frames,
      **CLIP,
    },
    {'mean': preset.mean, 'std': preset.std},
    views=views,
  )
  return tuning.finish(config, arg, preset)


def _layers(text: str) -> str:
  """Returns the regex of blocks 'first-last', counted from 1."""
  match = re.fullmatch(r'(\d+)-(\d+)', text)
  if not match or not 1 <= int(match[1]) <= int(match[2]):
    raise ValueError(f'layers={text} is not "first-last", counted from 1.')
  numbers = range(int(match[1]) - 1, int(match[2]))
  return f'encoderblock_({"|".join(map(str, numbers))})(/|$)'


def _rows(dataset: str, table: str, *entries: tuple) -> tuple[rows.Row, ...]:
  """Returns rows of (argument, printed millions, top-1, note) on a dataset.

  A top-1 of None is not known.
  """
  span, views = DATASETS[dataset]
  front = '' if dataset == 'kinetics400' else f'dataset={dataset}'
  made = []
  for argument, printed, top1, *note in entries:
    frames = 16 if 'frames=16' in argument else 8
    stride = span / frames
    made.append(
      rows.of_clips((front, argument), printed, top1, note, frames, stride)
    )
  mirrored = datasets.find(dataset).mirrored
  shared = {
    'table': table,
    'epochs': EPOCHS,
    'batch': BATCH,
    'rate': RATE,
    'views': views,
    'augmentation': 'squares of 224 out of a shorter side of 256 to 320'
    + (', mirrored' if mirrored else ''),
  }
  return rows.make(shared, made)


_HEAD = 'printed without the head: 45.2M, and 45.7M with it'
_K400, _SSV2 = DATASETS
# Table 3 is a picture. The text has what follows of its counts.
_COMPONENTS = (
  ('pointwise=false', '14M', None, '4M less than with the convolution'),
  ('fuse=average', '18M', None, '72 parameters less than learned'),
)

ROWS = (
  *_rows(
    _K400, 'Table 1, Kinetics-400',
    ('', '18M', 82.7), ('frames=16', '18M', 83.4),
    ('model=L14', '45M', 86.7, _HEAD),
    ('model=L14,frames=16', '45M', 87.5, _HEAD),
    ('method=full', '86M', 77.3),
  ),
  *_rows(
    _SSV2, 'Table 2, Something-Something v2',
    ('', '18M', 65.3), ('frames=16', '18M', 66.1),
    ('model=L14', '45M', 68.3), ('model=L14,frames=16', '45M', 69.7),
    ('method=full', '86M', 44.5),
  ),
  *_rows(_K400, 'Table 3, Kinetics-400', *_COMPONENTS),
  *_rows(_SSV2, 'Table 3, Something-Something v2', *_COMPONENTS),
  *_rows(_K400, 'Table 4, Kinetics-400', ('shift=false', '18M', 82.0)),
  *_rows(
    _SSV2, 'Table 4, Something-Something v2', ('shift=false', '18M', 65.1)
  ),
  *_rows(
    _K400, 'Table 5 (A, B, C), Kinetics-400',
    ('placement=pre_norm', '18M', 81.5), ('placement=post_norm', '18M', 80.1),
    ('placement=pre_residual', '18M', 81.9),
  ),
  *_rows(
    _SSV2, 'Table 5 (A, B, C), Something-Something v2',
    ('placement=pre_norm', '18M', 64.7), ('placement=post_norm', '18M', 63.8),
    ('placement=pre_residual', '18M', 64.6),
  ),
  *_rows(
    _K400, 'Table 6, Kinetics-400',
    ('layers=1-4', '6M', 75.5), ('layers=5-8', '6M', 76.9),
    ('layers=9-12', '6M', 78.0), ('layers=1-8', '12M', 80.3),
    ('layers=5-12', '12M', 82.1),
  ),
  *_rows(
    _SSV2, 'Table 6, Something-Something v2',
    ('layers=1-4', '6M', 55.9), ('layers=5-8', '6M', 58.9),
    ('layers=9-12', '6M', 60.5), ('layers=1-8', '12M', 62.7),
    ('layers=5-12', '12M', 63.3),
  ),
)  # fmt: skip

__doc__ = rows.document(__doc__, ROWS)
