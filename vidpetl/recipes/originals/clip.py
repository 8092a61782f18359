"""Techniques on CLIP: MST-Adapter, ST-Adapter, AIM."""

from vidpetl.recipes.original import FLOAT16, Original

_SSV2 = 'dataset=something_something_v2'

_MST = {
  'length': '30 epochs',
  'batch': '4 on each of 4 GPUs',
  'optimizer': 'AdamW, betas 0.9 and 0.999',
  'rate': '0.00015 (whether it is scaled is not said)',
  'schedule': 'cosine, 5 epochs of warm-up',
  'weight decay': '0.05',
  'drop path': 'not stated',
  'precision': 'not stated',
  'trains': 'adapters of width 384 (by the counts) and the head',
  'reports': 'not stated',
  'frames': '8 frames, every 16th, dense; too short: not stated',
  'training crops': 'shorter side 256 to 320, any 224',
  'augmentation': 'mirrored, on both datasets',
  'test': 'not stated',
  'head': "linear, on the mean of the frames' [CLS]",
}
_SILENT = {
  'test': "the usual size, by CLIP's own filter; "
  '`--config.tasks.<name>.eval_clip.short_side=224` is another',
  'views': 'softmax, which is usual in MMAction2, on which its code builds; '
  '`--config.tasks.<name>.average=logits`',
}
_ADAMW = {
  'optimizer.name': 'adamw',
  'optimizer.beta1': 0.9,
  'optimizer.beta2': 0.999,
  'optimizer.schedule': 'cosine',
}
_MST_NUMBERS = {
  **_ADAMW,
  'epochs': 30.0,
  'batch_size': 16,
  'optimizer.learning_rate': 1.5e-4,
  'optimizer.warmup_epochs': 5.0,
  'optimizer.groups.*.weight_decay': 0.05,
  'backbone.summary': 'norm_mean',
  'petl.mst_adapter.bottleneck': 384,
  'tasks.*.clip.frames': 8,
  'tasks.*.clip.sampling': 'stride',
  'tasks.*.clip.stride': 16,
  'tasks.*.clip.resolution': 224,
  'tasks.*.clip.scale': (256, 320),
  'tasks.*.augment.flip': True,
}
# Of both codes: the last rate is 0, and gradients are not clipped.
_TO_ZERO = {'optimizer.final': 0.0, 'optimizer.clip_norm': 0.0}
_ST = {
  'optimizer': 'AdamW, betas 0.9 and 0.999',
  'rate': '0.001 per 256 clips',
  'schedule': 'cosine, 2 epochs of warm-up',
  'weight decay': '0.01, none on biases',
  'drop path': 'none',
  'precision': "float16, CLIP's weights as well",
  'reports': 'the last epoch; every fifth is tested on the way',
  'test': 'shorter side 224, bicubic',
  'head': 'dropout 0.5, linear from N(0, 0.02²), on the LayerNorm of the mean '
  '[CLS]',
}
_ST_NUMBERS = {
  **_ADAMW,
  **_TO_ZERO,
  'optimizer.warmup_epochs': 2.0,
  'optimizer.groups.*.weight_decay': 0.01,
  'backbone.stochastic_depth': 0.0,
  'backbone.summary': 'mean_norm',
  'dtype': 'float16',
  'report': 'last',
  'eval_every_epochs': 5.0,
  'petl.st_adapter.bottleneck': 384,
  'petl.st_adapter.kernel': (3, 1, 1),
  'tasks.*.clip.frames': 8,
  'tasks.*.clip.resolution': 224,
  'tasks.*.clip.interpolation': 'bicubic',
  'tasks.*.eval_clip.short_side': 224,
  'tasks.*.eval_clip.interpolation': 'bicubic',
  'tasks.*.average': 'softmax',
  'tasks.*.dropout': 0.5,
  'tasks.*.initial': 'normal_0.02',
}
_AIM = {
  'batch': '64',
  'optimizer': 'AdamW, betas 0.9 and 0.999',
  'rate': '0.0003',
  'schedule': 'cosine, 2.5 epochs of warm-up',
  'weight decay': '0.05, none on class and position embeddings and LayerNorms',
  'drop path': "0.2, of two adapters' paths alone",
  'precision': 'not known',
  'trains': 'adapters, temporal embedding, the last LayerNorm, the head',
  'reports': 'not stated',
  'training crops': '8 to 100 % of the area of a shorter side of 256, to 224',
  'test': 'shorter side 224',
}
_AIM_NUMBERS = {
  **_ADAMW,
  **_TO_ZERO,
  'batch_size': 64,
  'optimizer.learning_rate': 3e-4,
  'optimizer.warmup_epochs': 2.5,
  'optimizer.groups.*.weight_decay': 0.05,
  'backbone.stochastic_depth': 0.0,
  'petl.aim.drop_path': 0.2,
  'petl.aim.ratio': 0.25,
  'tasks.*.clip.resolution': 224,
  'tasks.*.clip.area': (0.08, 1.0),
  'tasks.*.clip.interpolation': 'bilinear',
  'tasks.*.eval_clip.short_side': 224,
  'tasks.*.average': 'softmax',
  'tasks.*.dropout': 0.5,
  'tasks.*.initial': 'normal',
}

ORIGINALS = (
  Original(
    'MST-Adapter on CLIP, Kinetics-400',
    'the paper, section 4.1; no code is published',
    'mst_adapter',
    {**_MST, 'views': '3 x 1'},
    {**_MST_NUMBERS, 'tasks.*.eval_clip.views': (3, 1)},
    {
      **_SILENT,
      'frames': 'held, where MMAction2 loops unless told otherwise: '
      '`short=loop`',
    },
  ),
  Original(
    'MST-Adapter on CLIP, Something-Something v2',
    'the paper, section 4.1; no code is published',
    f'mst_adapter:{_SSV2}',
    {**_MST, 'views': '1 x 3'},
    {**_MST_NUMBERS, 'tasks.*.eval_clip.views': (1, 3)},
    {
      **_SILENT,
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
      'trains': '12 adapters of width 384, one before each MLP, and the head',
      'frames': '8 frames, every 16th; too short: held',
      'training crops': 'shorter side 224 to 258, any 224, bicubic',
      'augmentation': 'mirrored',
      'views': '3 x 1, from the first frame to the last, mean of softmax',
    },
    {
      **_ST_NUMBERS,
      'epochs': 12.0,
      'batch_size': 192,
      'optimizer.learning_rate': 7.5e-4,
      'tasks.*.clip.sampling': 'stride',
      'tasks.*.clip.stride': 16,
      'tasks.*.clip.short': 'hold',
      'tasks.*.clip.places': 'ends',
      'tasks.*.clip.scale': (224, 258),
      'tasks.*.augment.flip': True,
      'tasks.*.eval_clip.views': (3, 1),
    },
    {'precision': FLOAT16},
  ),
  Original(
    'ST-Adapter on CLIP, Something-Something v2',
    'the code of Pan et al. 2022',
    f'st_adapter:{_SSV2}',
    {
      **_ST,
      'length': '50 epochs',
      'batch': '64 on each of 4 GPUs',
      'trains': '24 adapters of width 384, before attention and MLP, and the '
      'head',
      'frames': '8 frames, one of each segment',
      'training crops': '8 to 100 % of the area to 224, bicubic',
      'augmentation': 'RandAugment m7 n4 mstd0.5 inc1; not mirrored',
      'views': '1 x 3, mean of softmax',
    },
    {
      **_ST_NUMBERS,
      'epochs': 50.0,
      'batch_size': 256,
      'optimizer.learning_rate': 1e-3,
      'tasks.*.clip.sampling': 'segments',
      'tasks.*.clip.rounded': True,
      'tasks.*.clip.area': (0.08, 1.0),
      'tasks.*.augment.flip': False,
      'tasks.*.augment.rand_augment': (4, 7, 0.5),
      'tasks.*.eval_clip.views': (1, 3),
    },
    {'precision': FLOAT16},
  ),
  Original(
    'AIM on CLIP, Kinetics-400',
    'the code of Yang et al. 2023',
    'aim',
    {
      **_AIM,
      'length': '30 epochs',
      'frames': '8 frames, every 16th; 16 and 32 as well; too short: looped',
      'augmentation': 'mirrored',
      'views': '3 x 1, in the middles of three parts, mean of softmax',
      'head': 'dropout 0.5, linear from N(0, 0.01²)',
    },
    {
      **_AIM_NUMBERS,
      'epochs': 30.0,
      'tasks.*.clip.frames': 8,
      'tasks.*.clip.stride': 16,
      'tasks.*.clip.short': 'loop',
      'tasks.*.clip.places': 'centres',
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
      'augmentation': "imgaug's RandAugment, 4 operations of magnitude 7; "
      'erasing 0.25; not mirrored',
      'views': '1 x 3, mean of softmax',
      'head': 'dropout 0.5, linear from N(0, 0.01²), label smoothing 0.1',
    },
    {
      **_AIM_NUMBERS,
      'epochs': 50.0,
      'petl.aim.inner': True,
      'tasks.*.clip.frames': 8,
      'tasks.*.clip.sampling': 'segments',
      'tasks.*.clip.rounded': True,
      'tasks.*.augment.flip': False,
      'tasks.*.augment.rand_augment': (4, 7, 0.0),
      'tasks.*.augment.erasing': 0.25,
      'tasks.*.label_smoothing': 0.1,
      'tasks.*.eval_clip.views': (1, 3),
    },
    {'augmentation': "RandAugment is timm's, by the same numbers"},
  ),
)
