"""Transfer with self-distillation, from RSPNet's weights and recipes."""

from vidpetl.recipes.original import Original

_SHARED = {
  'length': '100 epochs',
  'optimizer': 'SGD, momentum 0.9 (RSPNet)',
  'weight decay': '0.0001 (RSPNet)',
  'precision': 'float32',
  'trains': 'everything',
  'reports': 'the best epoch, by the test (RSPNet)',
  'frames': '16 frames in a row from a random place; too short: loop (RSPNet)',
  'training crops': '25 to 100 % of the area to 112 (RSPNet)',
  'augmentation': 'mirrored (RSPNet)',
  'test': 'the largest square in the middle, to 112 (RSPNet)',
  'views': '10 x 1, mean of logits (RSPNet)',
  'head': 'linear; the squared distance to the features of the last epoch',
}
_NUMBERS = {
  'epochs': 100.0,
  'optimizer.name': 'sgd',
  'optimizer.momentum': 0.9,
  'optimizer.groups.*.weight_decay': 1e-4,
  'dtype': 'float32',
  'tasks.*.clip.frames': 16,
  'tasks.*.clip.stride': 1,
  'tasks.*.clip.area': (0.25, 1.0),
  'tasks.*.augment.flip': True,
  'tasks.*.eval_clip.views': (10, 1),
  'tasks.*.average': 'logits',
  'report': 'best',
}
_COSINE = 'cosine to a thousandth (RSPNet)'

ORIGINALS = (
  Original(
    'Self-distillation of C3D, UCF101',
    "the paper; where it is silent, RSPNet's code",
    'self_distillation:backbone=c3d',
    {
      **_SHARED,
      'batch': '24 (from the sizes of features)',
      'rate': '0.005',
      'schedule': _COSINE,
    },
    {
      **_NUMBERS,
      'batch_size': 24,
      'optimizer.learning_rate': 0.005,
      'optimizer.schedule': 'cosine',
    },
  ),
  Original(
    'Self-distillation of C3D, HMDB51',
    "the paper; where it is silent, RSPNet's code",
    'self_distillation:backbone=c3d,dataset=hmdb51',
    {
      **_SHARED,
      'batch': '24 (from the sizes of features)',
      'rate': '0.005',
      'schedule': 'a tenth after epochs 50, 70, 90 (RSPNet)',
    },
    {
      **_NUMBERS,
      'batch_size': 24,
      'optimizer.learning_rate': 0.005,
      'optimizer.schedule': 'steps',
    },
  ),
  Original(
    'Self-distillation of R(2+1)D, UCF101',
    "the paper; where it is silent, RSPNet's code",
    'self_distillation:backbone=r2plus1d',
    {
      **_SHARED,
      'batch': '32 (from the sizes of features)',
      'rate': '0.1',
      'schedule': _COSINE,
    },
    {
      **_NUMBERS,
      'batch_size': 32,
      'optimizer.learning_rate': 0.1,
      'optimizer.schedule': 'cosine',
    },
  ),
)
