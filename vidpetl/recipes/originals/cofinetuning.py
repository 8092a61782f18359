"""Co-finetuning (Arnab et al. 2022)."""

from vidpetl.recipes.original import Original

_SHARED = {
  'batch': '128',
  'optimizer': 'SGD, momentum 0.9',
  'rate': '0.2',
  'schedule': 'cosine to 0, 2.5 epochs of warm-up',
  'weight decay': 'none named',
  'precision': 'not stated',
  'trains': 'all parameters',
  'reports': 'the last epoch (no other is named)',
  'frames': '32 frames, every second, around the keyframe',
  'training crops': 'longer side to 224 (352, 416, 512), padded',
  'augmentation': 'scale jitter 0.65 to 1.1, boxes jittered by 0.15',
  'test': 'longer side likewise; detected people of 0.8 and more',
  'views': '1 x 1',
  'head': 'a linear layer per dataset, label smoothing 0.1',
}
_NUMBERS = {
  'batch_size': 128,
  'optimizer.name': 'sgd',
  'optimizer.momentum': 0.9,
  'optimizer.learning_rate': 0.2,
  'optimizer.schedule': 'cosine',
  'optimizer.warmup_epochs': 2.5,
  'tasks.*.clip.frames': 32,
  'tasks.*.clip.stride': 2,
  'tasks.*.eval_clip.views': (1, 1),
  'tasks.*.label_smoothing': 0.1,
  'report': 'last',
}

ORIGINALS = (
  Original(
    'Co-finetuning for AVA',
    'the paper, section 3 and appendix A.1',
    'cofinetune_ava',
    {'length': '15 epochs of all datasets together', **_SHARED},
    {'epochs': 15.0, **_NUMBERS},
  ),
  Original(
    'AVA alone, the baseline',
    'the paper, appendix A.1',
    'cofinetune_ava:finetune',
    {'length': '20 epochs', **_SHARED},
    {'epochs': 20.0, **_NUMBERS},
  ),
)
