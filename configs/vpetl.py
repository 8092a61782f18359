"""V-PETL on videos (Yu et al. 2022), one row per command.

  python -m vidpetl.main --workdir=runs/bapat128 \
    --config=configs/vpetl.py:method=bapat,bottleneck=128,init=<weights>

Arguments, separated by commas:
  dataset     something_something_v2, or hmdb51 with split=1, 2 or 3.
  method      full, head, bitfit, prefix, adaptformer, patt, bapat, lora, vpt
              and others of vidpetl/recipes/methods.py, with the options that
              they have there: bottleneck, to, scale, adapter, tokens, rank, …;
              or a position of Table 1.
  frames      8; the paper also has 16 and 32.
  backbone    swin, Video Swin-B; videomae, ViT-B; or, beyond the paper, clip or
              any preset of vidpetl/recipes/presets.
  init        the pretrained backbone, converted as below; or a run's workdir.
  head        false leaves the head as it was drawn. That is the default of
              Swin on HMDB51 and of positions, as the paper's counts show.
  site        of the adapter beside the MLP: mlp behind its LayerNorm, or
              mlp_residual before it.
  where       binds to paths with this in them alone, e.g. where=stage_3.
  sampling, stride, short   of clips: vidpetl/recipes/sampling.py.
  probe       what reads tokens for the head: vidpetl/recipes/probing.py.
  report      last, best, mean10, or validated: vidpetl/recipes/reporting.py.
  data        the --out of vidpetl.prepare.
  demo        the demo world on a laptop.
  pretrain    trains the backbone itself, on Kinetics-400.

Rows, with the trained parameters that the paper prints and the top-1 that it
reports:

{rows}

Weights: Video-Swin-Transformer's swin_base_patch244_window877_kinetics400_22k
.pth (Table 4: kinetics600), and VideoMAE's ViT-B, pretrained on Kinetics-400:

  python -m vidpetl.convert --from=swin \
    swin_base_patch244_window877_kinetics400_22k.pth swin_b_k400.safetensors
  python -m vidpetl.convert --from=videomae --preset=videomae_b \
    checkpoint.pth videomae_b_k400.safetensors

Where the paper is silent this follows its code: SGD with momentum 0.9 and no
weight decay, 0.1 per 256 clips, a warm-up of 10 epochs, stochastic depth 0.4, a
head drawn as PyTorch does, every second frame from a random place, videos that
are too short held at their last frame, logits averaged over the views of a
test, Swin's read-out over pairs of moments, crops of four sizes, nothing
mirrored, and the last epoch reported. The code's three crops of a test are one
and the same, for it crops the middle first; here they are three.
Rows on VideoMAE (Table 5) follow AdaptFormer but for the batch, as the paper
says: 90 epochs, every fourth frame, BatchNorm before the head, a last LayerNorm
that starts anew and trains, and the adapter before the MLP's LayerNorm. The
code of V-PETL for ViTs is not published; that its own adapter sits there, too,
is a choice, and site=mlp the other one. Files of ImageNet-22K are inflated by
vidpetl.convert --from=swin2d.
The paper's Table 3 swaps full tuning and the linear head on HMDB51. None of
these rows was run here: that needs the weights, the datasets and accelerators.
"""

import ml_collections

from vidpetl import options
from vidpetl.recipes import adaptformer, arguments, methods, rows, tuning

BACKBONES = {
  # As in the paper's code, whatever its flags say.
  'swin': ('swin_b', {'stochastic_depth': 0.4, 'summary': 'vpetl'}),
  'videomae': ('videomae_b', {}),
  'clip': ('clip_b16', {}),  # Not in the paper.
}
DATASETS = ('something_something_v2', 'hmdb51')
EPOCHS, WARMUP, BATCH, STRIDE = 70.0, 10.0, 64, 2.0
# AdaptFormer's, on videos; its batch is 1024.
VIT_EPOCHS, VIT_BATCH, VIT_STRIDE = 90.0, 256, 4.0
# The crops of both codes: sizes of TSN's, of the whole frame; in a test from a
# shorter side of 224. They mirror nothing.
CLIP = {'resolution': 224, 'sizes': (1.0, 0.875, 0.75, 0.66), 'short': 'hold'}
VIEWS = (4, 3)


def get_config(argument: str = '') -> ml_collections.ConfigDict:
  """Returns the locked config of `argument`."""
  method = arguments.value(argument, 'method', 'bapat')
  dataset = arguments.value(argument, 'dataset', 'something_something_v2')
  named = arguments.value(argument, 'backbone', 'swin')
  preset, backbone = tuning.backbone(named, BACKBONES)
  vit = preset.family == 'videomae'
  frozen = method in methods.POSITIONS or (dataset == 'hmdb51' and not vit)
  arg = tuning.parse(
    argument,
    'bapat',
    dataset='something_something_v2',
    split=1,
    frames=8,
    backbone='swin',
    head=not frozen,
    **_of_method(method, vit),
  )
  options.one_of('config', 'dataset', arg.dataset, DATASETS)
  options.one_of('config', 'split', arg.split, (1, 2, 3))
  config = tuning.tuning(arg)
  config.backbone = backbone
  if 'site' in arg:
    config.petl = adaptformer.beside(config.petl, arg.site)
  batch = BATCH if preset.family == 'swin' else VIT_BATCH
  tuning.sgd(config, batch, VIT_EPOCHS if vit else EPOCHS, WARMUP)
  if vit:
    adaptformer.fresh_norm(config)
  split = f'_{arg.split}' if arg.dataset == 'hmdb51' else ''
  tuning.set_video_task(
    config,
    arg,
    arg.dataset + split,
    {
      'frames': arg.frames,
      'stride': VIT_STRIDE if vit else STRIDE,
      'interpolation': preset.interpolation,
      **CLIP,
    },
    {'flip': False, 'mean': preset.mean, 'std': preset.std},
    views=VIEWS,
    average='logits',
    **(adaptformer.HEAD if vit else {'initial': 'uniform'}),
  )
  return tuning.finish(config, arg, preset)


def _of_method(method: str, vit: bool) -> dict:
  """Returns arguments that depend on the method."""
  if vit:
    return adaptformer.options(method)
  return {'site': 'mlp'} if method in adaptformer.BESIDE_MLP else {}


def _row(argument, printed, top1, trained, **more) -> dict:
  return {
    'argument': argument,
    'printed': printed,
    'reported': {'top-1': top1},
    'trained': trained,
    **more,
  }


_SHARED = {
  'epochs': EPOCHS,
  'batch': BATCH,
  'rate': 0.025,
  'frames': 8,
  'stride': STRIDE,
  'views': VIEWS,
  'augmentation': 'crops of 66 to 100 % of the shorter side',
}
_HMDB = {
  **_SHARED,
  'head': False,
}
_VIDEOMAE = {
  'epochs': VIT_EPOCHS,
  'batch': VIT_BATCH,
  'rate': 0.1,
  'stride': VIT_STRIDE,
  'head': True,
}
_WITH_HEAD = {'head': True}
_SCALES = (0.2, 0.5, 0.8, 1.0)
_ROUNDED = 'the printed count is that with the head, less 0.05M'

ROWS = (
  *rows.make(
    {**_SHARED, 'table': 'Table 1, SSv2', 'head': False},
    (
      _row('method=full,head=true', '87.82M', 50.99, 87_817_334, **_WITH_HEAD),
      _row('method=head,head=true', '0.18M', 24.13, 178_350, **_WITH_HEAD),
      _row('method=layer_norm_1', '0.02M', 14.35, 24_064),
      _row('method=attn_proj', '6.99M', 47.58, 6_991_616),
      _row(
        'method=attn_qkv', '20.98M', 50.02, 20_974_848,
        note='20.97M by count',
      ),
      _row('method=attn_softmax', '0.95M', 27.67, 953_160),
      _row('method=layer_norm_2', '0.02M', 14.62, 24_064),
      _row('method=fc1', '27.97M', 47.10, 27_966_464),
      _row('method=fc2', '27.93M', 45.32, 27_930_368),
      _row('method=downsample', '2.76M', 27.53, 2_759_680),
    ),
  ),
  *rows.make(
    {**_SHARED, 'table': 'Table 2, SSv2'},
    (
      _row('method=full', '87.82M', 50.99, 87_817_334),
      _row('method=head', '0.18M', 24.13, 178_350),
      _row('method=bitfit', '1.29M', 45.94, None),
      _row('method=adaptformer', '1.73M', 40.80, 1_732_014),
      _row('method=prefix', '6.57M', 39.46, 6_571_950),
      _row(
        'method=patt,bottleneck=32', '1.35M', 46.26, 1_358_254,
        note='1.36M by count',
      ),
      _row('method=patt,bottleneck=64', '2.51M', 49.23, 2_514_094),
      _row('method=patt,bottleneck=128', '4.83M', 52.57, 4_825_774),
      _row('method=patt,bottleneck=256', '9.45M', 52.71, 9_449_134),
      _row('method=bapat,bottleneck=32', '2.91M', 49.63, 2_911_918),
      _row('method=bapat,bottleneck=64', '4.07M', 51.80, 4_067_758),
      _row('method=bapat,bottleneck=128', '6.38M', 53.36, 6_379_438),
      _row('method=bapat,bottleneck=256', '11.00M', 53.98, 11_002_798),
      _row(
        'method=bapat,frames=16', '6.38M', 63.14, 6_379_438, frames=16
      ),
    ),
  ),
  *rows.make(
    {**_HMDB, 'table': 'Table 2, HMDB51'},
    (
      *(
        _row(
          f'dataset=hmdb51,method={method},head=true', printed, top1, count,
          **_WITH_HEAD,
        )
        for method, printed, top1, count in (
          ('full', '87.69M', 68.07, 87_691_259),
          ('head', '0.05M', 71.28, 52_275),
          ('adaptformer', '1.61M', 68.66, 1_605_939),
        )
      ),
      *(
        _row(f'dataset=hmdb51,method={method}', printed, top1, count, note=note)
        for method, printed, top1, count, note in (
          ('bitfit', '1.11M', 68.26, None, ''),
          ('prefix', '6.40M', 56.13, 6_393_600, _ROUNDED),
          ('patt,bottleneck=32', '1.17M', 69.51, 1_179_904, '1.18M by count'),
          ('patt,bottleneck=64', '2.34M', 71.34, 2_335_744, ''),
          ('patt,bottleneck=128', '4.65M', 70.56, 4_647_424, ''),
          ('patt,bottleneck=256', '9.27M', 70.23, 9_270_784, ''),
          ('bapat,bottleneck=32', '2.74M', 68.20, 2_733_568, _ROUNDED),
          ('bapat,bottleneck=64', '3.89M', 70.10, 3_889_408, ''),
          ('bapat,bottleneck=128', '6.20M', 71.93, 6_201_088, ''),
          ('bapat,bottleneck=256', '10.83M', 69.64, 10_824_448, _ROUNDED),
        )
      ),
      _row(
        'dataset=hmdb51,method=bapat,frames=16', '6.20M', 75.67, 6_201_088,
        frames=16,
      ),
    ),
  ),
  *(
    row
    for source, ssv2, hmdb51 in (
      ('Kinetics-600', 54.06, 69.90), ('ImageNet-22K', 43.56, 59.89),
    )
    for row in (
      *rows.make(
        {**_SHARED, 'table': f'Table 2, SSv2, from {source}'},
        (_row('method=bapat,bottleneck=256', '11.00M', ssv2, 11_002_798),),
      ),
      *rows.make(
        {**_HMDB, 'table': f'Table 2, HMDB51, from {source}'},
        (
          _row(
            'dataset=hmdb51,method=bapat,bottleneck=256', '10.83M', hmdb51,
            10_824_448, note=_ROUNDED,
          ),
        ),
      ),
    )
  ),
  *rows.make(
    {**_SHARED, 'table': 'Table 3, SSv2'},
    (
      _row(f'method=bapat,scale={scale}', '', top1, 6_379_438)
      for scale, top1 in zip(_SCALES, (47.46, 52.84, 53.36, 53.29))
    ),
  ),
  *rows.make(
    {**_HMDB, 'table': 'Table 3, HMDB51'},
    (
      _row(f'dataset=hmdb51,method=bapat,scale={scale}', '', top1, 6_201_088)
      for scale, top1 in zip(_SCALES, (69.38, 71.87, 71.93, 70.89))
    ),
  ),
  *rows.make(
    {**_SHARED, 'table': 'Table 4, SSv2, from Kinetics-600'},
    (
      _row('method=bapat,combine=concat', '6.38M', 15.61, 6_379_438),
      _row('method=bapat,source=learned', '8.74M', 51.06, 8_737_710),
      _row('method=bapat,to=qk', '6.38M', 45.49, 6_379_438),
      _row('method=bapat,to=kv', '6.38M', 53.38, 6_379_438),
      _row('method=bapat,to=qv', '6.38M', 53.24, 6_379_438),
      _row('method=bapat,to=qkv', '7.93M', 53.23, 7_931_566),
    ),
  ),
  *rows.make(
    {**_HMDB, 'table': 'Table 4, HMDB51, from Kinetics-600'},
    (
      _row(
        f'dataset=hmdb51,method=bapat,{option}', printed, top1, count, note=note
      )
      for option, printed, top1, count, note in (
        ('combine=concat', '6.20M', 20.98, 6_201_088, ''),
        ('source=learned', '8.56M', 67.41, 8_559_360, ''),
        ('to=qk', '6.20M', 68.92, 6_201_088, ''),
        ('to=kv', '6.20M', 71.41, 6_201_088, ''),
        ('to=qv', '6.20M', 71.74, 6_201_088, ''),
        ('to=qkv', '7.63M', 69.57, 7_753_216, '7.75M by count'),
      )
    ),
  ),
  *rows.make(
    {**_SHARED, **_VIDEOMAE, 'table': 'Table 5, SSv2'},
    (
      *(
        _row(
          f'backbone=videomae,method={method}', printed, top1, None,
          note='printed: the mean over five datasets',
        )
        for method, printed, top1 in (
          ('full', '86.04M', 53.97), ('head', '0.07M', 29.23),
          ('vpt', '0.08M', 43.73), ('adaptformer', '1.26M', 59.02),
        )
      ),
      *(
        _row(
          f'backbone=videomae,method=bapat,bottleneck={width}', printed, top1,
          None, note='printed: the count on HMDB51',
        )
        for width, printed, top1 in (
          (32, '2.13M', 57.78), (64, '3.02M', 57.55), (128, '4.79M', 56.97),
          (256, '8.33M', 56.53),
        )
      ),
    ),
  ),
  *rows.make(
    {**_HMDB, **_VIDEOMAE, 'table': 'Table 5, HMDB51'},
    (
      *(
        _row(
          f'dataset=hmdb51,backbone=videomae,method={method},head=true',
          printed, top1, None, note='printed: the mean over five datasets',
        )
        for method, printed, top1 in (
          ('full', '86.04M', 46.41), ('head', '0.07M', 49.84),
          ('vpt', '0.08M', 52.67), ('adaptformer', '1.26M', 55.69),
        )
      ),
      *(
        _row(
          'dataset=hmdb51,backbone=videomae,method=bapat,head=true,'
          f'bottleneck={width}',
          printed, top1, count,
        )
        for width, printed, top1, count in (
          (32, '2.13M', 57.18, 2_133_939), (64, '3.02M', 57.18, 3_019_059),
          (128, '4.79M', 57.70, 4_789_299), (256, '8.33M', 57.31, 8_329_779),
        )
      ),
    ),
  ),
  *rows.make(
    {**_HMDB, **_WITH_HEAD, 'table': 'Table 6, HMDB51, with the head'},
    (
      *(
        _row(
          f'dataset=hmdb51,method=bapat,head=true,bottleneck={width}', printed,
          top1, count,
        )
        for width, printed, top1, count in (
          (32, '2.79M', 65.97, 2_785_843), (64, '3.94M', 67.28, 3_941_683),
          (128, '6.25M', 66.75, 6_253_363), (256, '10.88M', 67.67, 10_876_723),
        )
      ),
      *(
        _row(
          f'dataset=hmdb51,method=bapat,head=true,frames={frames}', '6.25M',
          top1, 6_253_363, frames=frames,
        )
        for frames, top1 in ((16, 70.56), (32, 74.82))
      ),
    ),
  ),
  *rows.make(
    {**_HMDB, **_WITH_HEAD, 'table': 'Table 6, HMDB51, with the head, from '
     'Kinetics-600'},
    (
      _row('dataset=hmdb51,method=bapat,head=true,bottleneck=256', '10.88M',
           67.41, 10_876_723),
    ),
  ),
  *rows.make(
    {**_HMDB, 'table': 'Table 6, HMDB51, without the head'},
    (
      _row('dataset=hmdb51,method=bapat,frames=32', '6.20M', 76.46, 6_201_088,
           frames=32),
    ),
  ),
)  # fmt: skip

__doc__ = rows.document(__doc__, ROWS)
