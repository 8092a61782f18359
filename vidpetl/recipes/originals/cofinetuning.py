"""Co-finetuning (Arnab et al. 2022)."""

from vidpetl.recipes.original import Original

_SHARED = {
  'optimizer': 'SGD, momentum 0.9',
  'rate': '0.2',
  'schedule': 'cosine, 2.5 epochs of warm-up',
  'weight decay': 'none named',
  'drop path': '0.2',
  'precision': 'not stated',
  'trains': 'all parameters',
  'reports': 'the last epoch (no other is named)',
  'frames': '32 frames, every second, around the keyframe',
  'training crops': 'longer side to 224 (352, 416, 512), padded',
  'augmentation': 'scale jitter 0.65 to 1.1, boxes jittered by 0.15; mirroring '
  'is not named',
  'test': 'longer side likewise; detected people of 0.8 and more',
  'views': '1 x 1',
  'head': 'a linear layer per dataset, label smoothing 0.1',
}
_NUMBERS = {
  'batch_size': 128,
  'optimizer.name': 'sgd',
  'optimizer.momentum': 0.9,
  'optimizer.clip_norm': 0.0,
  'optimizer.learning_rate': 0.2,
  'optimizer.schedule': 'cosine',
  'optimizer.warmup_epochs': 2.5,
  'optimizer.groups.*.weight_decay': 0.0,
  'backbone.stochastic_depth': 0.2,
  'tasks.*.clip.frames': 32,
  'tasks.*.clip.sampling': 'around',
  'tasks.*.clip.stride': 2,
  'tasks.*.clip.resize': 'pad',
  'tasks.*.clip.resolution': 224,
  'tasks.*.augment.scale_jitter': (0.65, 1.1),
  'tasks.*.augment.box_jitter': 0.15,
  'tasks.*.augment.flip': False,
  'tasks.*.eval_clip.resolution': 224,
  'tasks.*.eval_clip.boxes': 'detected',
  'tasks.*.eval_clip.min_score': 0.8,
  'tasks.*.eval_clip.views': (1, 1),
  'tasks.*.label_smoothing': 0.1,
  'report': 'last',
}
_CHOSEN = {
  'optimizer': "clipped at 1, as all of ViViT's configs have it; "
  '`--config.optimizer.clip_norm=0` is not',
  'augmentation': "mirrored, as ViViT's input is, but for "
  'Something-Something; `--config.tasks.ava.augment.flip=false`',
}

ORIGINALS = (
  Original(
    'Co-finetuning for AVA',
    'the paper, section 3 and appendix A.1',
    'cofinetune_ava',
    {
      'length': '15 epochs of all datasets together',
      'batch': '128, of one dataset, drawn by its size',
      **_SHARED,
    },
    {'epochs': 15.0, 'mixture.mode': 'weighted', **_NUMBERS},
    _CHOSEN,
  ),
  Original(
    'AVA alone, the baseline',
    'the paper, appendix A.1',
    'cofinetune_ava:finetune',
    {'length': '20 epochs', 'batch': '128', **_SHARED},
    {'epochs': 20.0, **_NUMBERS},
    _CHOSEN,
  ),
)
