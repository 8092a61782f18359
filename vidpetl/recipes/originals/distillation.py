"""Transfer with self-distillation, from RSPNet's weights and recipes."""

from vidpetl.recipes.original import Original

_SHARED = {
  'length': '100 epochs',
  'optimizer': 'SGD, momentum 0.9 (RSPNet)',
  'weight decay': '0.0001 (RSPNet)',
  'drop path': 'none',
  'precision': 'float32 (RSPNet)',
  'trains': 'everything',
  'reports': 'the best epoch, by the test (RSPNet)',
  'frames': '16 frames in a row from a random place; too short: looped '
  '(RSPNet)',
  'training crops': '25 to 100 % of the area to 112, bilinear (RSPNet)',
  'augmentation': 'mirrored (RSPNet)',
  'test': 'the largest square in the middle, to 112 (RSPNet)',
  'views': '10 x 1, from the first frame to the last, mean of logits (RSPNet)',
  'head': 'linear; the sum of squared distances to the features of the last '
  'epoch',
}
_NUMBERS = {
  'epochs': 100.0,
  'optimizer.name': 'sgd',
  'optimizer.momentum': 0.9,
  'optimizer.clip_norm': 0.0,
  'optimizer.warmup_epochs': 0.0,
  'optimizer.groups.*.weight_decay': 1e-4,
  'dtype': 'float32',
  'tasks.*.clip.frames': 16,
  'tasks.*.clip.sampling': 'stride',
  'tasks.*.clip.stride': 1,
  'tasks.*.clip.short': 'loop',
  'tasks.*.clip.places': 'ends',
  'tasks.*.clip.resolution': 112,
  'tasks.*.clip.area': (0.25, 1.0),
  'tasks.*.clip.interpolation': 'bilinear',
  'tasks.*.augment.flip': True,
  'tasks.*.augment.color_jitter': None,
  'tasks.*.eval_clip.resolution': 112,
  'tasks.*.eval_clip.short_side': None,
  'tasks.*.eval_clip.views': (10, 1),
  'tasks.*.average': 'logits',
  'tasks.*.distill.reduction': 'sum',
  'report': 'best',
  'eval_every_epochs': 1.0,
}
_CHOSEN = {
  'head': 'the mean over features, as lambdas of 100 and 1000 speak for it; '
  '`reduction=sum` is the formula',
}
_COSINE = {
  'optimizer.schedule': 'cosine',
  'optimizer.final': 0.001,
}
_STEPS = {
  'optimizer.schedule': 'steps',
  'optimizer.milestones': (50, 70, 90),
}
_C3D = ('C3D', 'c3d', 24, 0.005)
_R2PLUS1D = ('R(2+1)D', 'r2plus1d', 32, 0.1)


def _original(network, dataset, schedule) -> Original:
  title, backbone, batch, rate = network
  falls = schedule['optimizer.schedule'] == 'cosine'
  return Original(
    f'Self-distillation of {title}, {dataset}',
    "the paper; where it is silent, RSPNet's code",
    f'self_distillation:backbone={backbone},dataset={dataset.lower()}',
    {
      **_SHARED,
      'batch': f'{batch} (from the sizes of features)',
      'rate': f'{rate:g}',
      'schedule': 'cosine to a thousandth (RSPNet)'
      if falls
      else 'a tenth after epochs 50, 70, 90 (RSPNet)',
    },
    {
      **_NUMBERS,
      **schedule,
      'batch_size': batch,
      'optimizer.learning_rate': rate,
    },
    _CHOSEN,
  )


ORIGINALS = (
  _original(_C3D, 'UCF101', _COSINE),
  _original(_C3D, 'HMDB51', _STEPS),
  _original(_R2PLUS1D, 'UCF101', _COSINE),
  _original(_R2PLUS1D, 'HMDB51', _COSINE),
)
