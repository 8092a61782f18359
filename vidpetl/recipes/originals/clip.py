"""Techniques on CLIP: MST-Adapter, ST-Adapter, AIM."""

from vidpetl.recipes.original import Original

_SSV2 = 'dataset=something_something_v2'
_RAND = 'RandAugment m7 n4 mstd0.5 inc1'
_RAND_NUMBERS = (4, 7, 0.5)

_MST = {
  'length': '30 epochs',
  'batch': '4 on each of 4 GPUs',
  'optimizer': 'AdamW, betas 0.9 and 0.999',
  'rate': '0.00015 (whether it is scaled is not said)',
  'schedule': 'cosine, 5 epochs of warm-up',
  'weight decay': '0.05',
  'precision': 'not stated',
  'trains': 'adapters and the head',
  'reports': 'not stated',
  'training crops': 'shorter side 256 to 320, any 224',
  'augmentation': 'mirrored, on both datasets',
  'test': 'not stated',
  'head': "linear, on the mean of the frames' [CLS]",
}
_MST_NUMBERS = {
  'epochs': 30.0,
  'batch_size': 16,
  'optimizer.name': 'adamw',
  'optimizer.learning_rate': 1.5e-4,
  'optimizer.schedule': 'cosine',
  'optimizer.warmup_epochs': 5.0,
  'optimizer.groups.*.weight_decay': 0.05,
  'tasks.*.clip.frames': 8,
  'tasks.*.clip.stride': 16,
  'tasks.*.clip.scale': (256, 320),
  'tasks.*.augment.flip': True,
}
_ST = {
  'optimizer': 'AdamW, betas 0.9 and 0.999',
  'rate': '0.001 per 256 clips',
  'schedule': 'cosine, 2 epochs of warm-up',
  'weight decay': '0.01, none on biases',
  'precision': "CLIP's weights in float16",
  'reports': 'not stated',
  'head': 'dropout 0.5, linear, on the LayerNorm of the mean [CLS]',
}
_ST_NUMBERS = {
  'optimizer.name': 'adamw',
  'optimizer.schedule': 'cosine',
  'optimizer.warmup_epochs': 2.0,
  'optimizer.groups.*.weight_decay': 0.01,
  'tasks.*.clip.frames': 8,
  'tasks.*.clip.interpolation': 'bicubic',
  'tasks.*.dropout': 0.5,
}
_AIM = {
  'batch': '64',
  'optimizer': 'AdamW, betas 0.9 and 0.999',
  'rate': '0.0003',
  'schedule': 'cosine, 2.5 epochs of warm-up',
  'weight decay': '0.05, none on embeddings and LayerNorms',
  'precision': 'not known',
  'trains': 'adapters, temporal embedding, the last LayerNorm, the head',
  'reports': 'not stated',
}
_AIM_NUMBERS = {
  'batch_size': 64,
  'optimizer.name': 'adamw',
  'optimizer.learning_rate': 3e-4,
  'optimizer.schedule': 'cosine',
  'optimizer.warmup_epochs': 2.5,
  'optimizer.groups.*.weight_decay': 0.05,
  'tasks.*.dropout': 0.5,
}

ORIGINALS = (
  Original(
    'MST-Adapter on CLIP, Kinetics-400',
    'the paper, section 4.1; no code is published',
    'mst_adapter',
    {
      **_MST,
      'frames': '8 frames, every 16th, dense',
      'views': '3 x 1, mean of softmax',
    },
    {**_MST_NUMBERS, 'tasks.*.eval_clip.views': (3, 1)},
  ),
  Original(
    'MST-Adapter on CLIP, Something-Something v2',
    'the paper, section 4.1; no code is published',
    f'mst_adapter:{_SSV2}',
    {
      **_MST,
      'frames': '8 frames, every 16th, dense',
      'views': '1 x 3, mean of softmax',
    },
    {**_MST_NUMBERS, 'tasks.*.eval_clip.views': (1, 3)},
    chosen={
      'frames': 'its clips of 4 s are shown whole, so that none repeats; '
      '`stride=16` is as printed',
      'augmentation': 'its labels tell left from right; '
      '`--config.tasks.something_something_v2.augment.flip=true` is as printed',
    },
  ),
  Original(
    'ST-Adapter on CLIP, Kinetics-400',
    'the code of Pan et al. 2022',
    'st_adapter',
    {
      **_ST,
      'length': '12 epochs',
      'batch': '64 on each of 3 GPUs',
      'trains': '12 adapters, one before each MLP, and the head',
      'frames': '8 frames, every 16th',
      'training crops': 'shorter side 224 to 258, any 224, bicubic',
      'augmentation': 'mirrored',
      'test': 'shorter side 224',
      'views': '3 x 1, mean of softmax',
    },
    {
      **_ST_NUMBERS,
      'epochs': 12.0,
      'batch_size': 192,
      'optimizer.learning_rate': 7.5e-4,
      'tasks.*.clip.stride': 16,
      'tasks.*.augment.flip': True,
      'tasks.*.eval_clip.views': (3, 1),
    },
  ),
  Original(
    'ST-Adapter on CLIP, Something-Something v2',
    'the code of Pan et al. 2022',
    f'st_adapter:{_SSV2}',
    {
      **_ST,
      'length': '50 epochs',
      'batch': '64 on each of 4 GPUs',
      'trains': '24 adapters, before attention and MLP, and the head',
      'frames': '8 frames, one of each segment',
      'training crops': '8 to 100 % of the area to 224, bicubic',
      'augmentation': f'{_RAND}; not mirrored',
      'test': 'shorter side 224',
      'views': '1 x 3, mean of softmax',
    },
    {
      **_ST_NUMBERS,
      'epochs': 50.0,
      'batch_size': 256,
      'optimizer.learning_rate': 1e-3,
      'tasks.*.clip.sampling': 'segments',
      'tasks.*.clip.area': (0.08, 1.0),
      'tasks.*.augment.flip': False,
      'tasks.*.augment.rand_augment': _RAND_NUMBERS,
      'tasks.*.eval_clip.views': (1, 3),
    },
  ),
  Original(
    'AIM on CLIP, Kinetics-400',
    'the code of Yang et al. 2023',
    'aim',
    {
      **_AIM,
      'length': '30 epochs',
      'frames': '32 frames, every fourth; 8 and 16 as well',
      'training crops': '8 to 100 % of the area to 224',
      'augmentation': 'mirrored',
      'test': 'shorter side 224',
      'views': '3 x 1, mean of softmax',
      'head': 'dropout 0.5, linear; paths of adapters dropped by 0.2',
    },
    {
      **_AIM_NUMBERS,
      'epochs': 30.0,
      'tasks.*.augment.flip': True,
      'tasks.*.eval_clip.views': (3, 1),
    },
  ),
  Original(
    'AIM on CLIP, Something-Something v2',
    'the code of Yang et al. 2023',
    f'aim:{_SSV2}',
    {
      **_AIM,
      'length': '50 epochs',
      'frames': '8 frames, one of each segment',
      'training crops': '8 to 100 % of the area to 224',
      'augmentation': "imgaug's RandAugment, 4 operations of magnitude 7; "
      'erasing 0.25; not mirrored',
      'test': 'shorter side 224',
      'views': '1 x 3, mean of softmax',
      'head': 'dropout 0.5, linear, label smoothing 0.1; paths of adapters '
      'dropped by 0.2',
    },
    {
      **_AIM_NUMBERS,
      'epochs': 50.0,
      'tasks.*.clip.frames': 8,
      'tasks.*.clip.sampling': 'segments',
      'tasks.*.augment.flip': False,
      'tasks.*.augment.rand_augment': (4, 7, 0.0),
      'tasks.*.augment.erasing': 0.25,
      'tasks.*.label_smoothing': 0.1,
      'tasks.*.eval_clip.views': (1, 3),
    },
  ),
)
