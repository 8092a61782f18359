"""PECoP (Dadashzadeh et al. 2024), and the heads of action quality."""

from vidpetl.recipes.original import Original

_STRETCHED = 'stretched to 256 x 455, any 224'
_SMALL = 'stretched to 112 x 200, any 112'
_FILTERS = (
  'bilinear for every frame, in training and test; of wide films the shorter '
  'side is 256 in both'
)
_SIZE = (
  'of a shorter side of 256: how large its own frames are is not said; '
  '`--config.tasks.jigsaws.clip.short_side`'
)
_ADAM = {
  'optimizer.name': 'adam',
  'optimizer.beta1': 0.9,
  'optimizer.beta2': 0.999,
  'optimizer.clip_norm': 0.0,
  'optimizer.schedule': 'constant',
  'optimizer.warmup_epochs': 0.0,
  'dtype': 'float32',
  'eval_every_epochs': 1.0,
  'tasks.*.length': 16,
  'tasks.*.augment.color_jitter': None,
  'tasks.*.eval_clip.views': (1, 1),
}
_TAIL = {
  'tasks.*.clip.sampling': 'tail',
  'tasks.*.clip.frames': 103,
  'tasks.*.clip.shift': 3,
}
_HEADS = {
  'optimizer': 'Adam, betas 0.9 and 0.999',
  'schedule': 'constant',
  'drop path': 'none',
  'precision': 'float32',
  'trains': 'everything',
  'views': '1 x 1',
}
_RELATIVE = {
  **_HEADS,
  'trains': "everything, but for running statistics of the backbone's norms",
  'rate': '0.001, backbone x 0.1',
  'weight decay': '0',
  'augmentation': 'mirrored',
  'length': '200 epochs',
  'reports': 'the best epoch, by the test',
}
_RELATIVE_NUMBERS = {
  **_ADAM,
  'epochs': 200.0,
  'optimizer.learning_rate': 1e-3,
  'optimizer.groups.*.weight_decay': 0.0,
  'optimizer.groups.backbone.lr_scale': 0.1,
  'backbone.norm_statistics': 'frozen',
  'tasks.*.clip.resize': 'stretch',
  'tasks.*.clip.centred': False,
  'tasks.*.augment.flip': True,
  'tasks.*.voters': 10,
  'report': 'best',
}
_MUSDL = {
  **_HEADS,
  'batch': '4',
  'rate': '0.0001',
}
_MUSDL_NUMBERS = {
  **_ADAM,
  'batch_size': 4,
  'optimizer.learning_rate': 1e-4,
  'optimizer.groups.backbone.lr_scale': 1.0,
  'backbone.norm_statistics': 'batch',
  'tasks.*.clip.resize': 'crop',
  'tasks.*.clip.resolution': 224,
  'tasks.*.clip.centred': True,
  'tasks.*.eval_clip.centred': True,
}
_OF_MTL_AQA = {
  **_MUSDL_NUMBERS,
  **_TAIL,
  'epochs': 100.0,
  'tasks.*.starts': (*range(0, 81, 10), 87),
  'tasks.*.clip.short_side': 256,
  'tasks.*.augment.flip': True,
  'report': 'best',
}

ORIGINALS = (
  Original(
    'PECoP, stage 1: continual pretraining by VSPP',
    'the paper, section 4; what its code does otherwise stands in brackets',
    'pecop_pretrain',
    {
      'length': '8 epochs of each video 10 times (20 times)',
      'batch': '16',
      'optimizer': 'SGD, momentum 0.9 (code)',
      'rate': '0.001 (0.01)',
      'schedule': 'not stated (cosine over 22 epochs, of which 8 are run)',
      'weight decay': '(0.0001)',
      'drop path': 'none',
      'precision': '(float32)',
      'trains': '3D-Adapters and two heads; statistics of BatchNorm move '
      '(code)',
      'reports': '-',
      'frames': '32 frames, one of 4 parts at one of 4 speeds',
      'training crops': f'any 224 ({_STRETCHED})',
      'augmentation': 'mirrored; colours of each frame (built, not applied)',
      'test': '-',
      'views': '-',
      'head': 'two linear layers, dropout 0.5 (before each)',
    },
    {
      'epochs': 80.0,
      'batch_size': 16,
      'optimizer.name': 'sgd',
      'optimizer.momentum': 0.9,
      'optimizer.learning_rate': 1e-3,
      'optimizer.groups.*.weight_decay': 1e-4,
      'optimizer.clip_norm': 0.0,
      'dtype': 'float32',
      'backbone.norm_statistics': 'batch',
      'petl.adapter3d.reduction': 4,
      'petl.adapter3d.kernel': 3,
      'tasks.*.clip.frames': 32,
      'tasks.*.clip.sampling': 'vspp',
      'tasks.*.clip.parts': 4,
      # Speeds 2 to 5, beside the natural one.
      'tasks.*.clip.rates': 5,
      'tasks.*.clip.natural': 1,
      'tasks.*.clip.resolution': 224,
      'tasks.*.clip.stretch': (455, 256),
      'tasks.*.augment.flip': True,
      'tasks.*.augment.color_jitter_per_frame': True,
      'tasks.*.dropout': 0.5,
    },
  ),
  Original(
    'USDL on MTL-AQA',
    'the code of Tang et al. 2020',
    'pecop_aqa:head=usdl',
    {
      **_MUSDL,
      'length': '100 epochs',
      'weight decay': '0',
      'reports': 'the best epoch, by the test',
      'frames': '103 frames to the end, moved by up to 3; 10 segments of 16',
      'training crops': 'stretched to 455 x 256 with a filter drawn for each '
      'frame, the middle 224',
      'augmentation': 'mirrored',
      'test': 'likewise, the drawn filter included',
      'head': '101 bins, Gaussian of 5 bins, the likeliest bin',
    },
    {
      **_OF_MTL_AQA,
      'optimizer.groups.*.weight_decay': 0.0,
      'tasks.*.bins': 101,
      'tasks.*.std': 5.0,
    },
    {'training crops': _FILTERS},
  ),
  Original(
    'MUSDL on MTL-AQA',
    'the code of Tang et al. 2020',
    'pecop_aqa:head=musdl',
    {
      **_MUSDL,
      'length': '100 epochs',
      'weight decay': '0.00001',
      'reports': 'the best epoch, by the test',
      'frames': '103 frames to the end, moved by up to 3; 10 segments of 16',
      'training crops': 'stretched to 455 x 256 with a filter drawn for each '
      'frame, the middle 224',
      'augmentation': 'mirrored',
      'test': 'likewise, the drawn filter included',
      'head': 'a network per judge: 21 bins, Gaussian of 5 bins; the middle '
      'three judges',
    },
    {
      **_OF_MTL_AQA,
      'optimizer.groups.*.weight_decay': 1e-5,
      'tasks.*.judges': 7,
      'tasks.*.keep': 3,
      'tasks.*.bins': 21,
      'tasks.*.std': 5.0,
    },
    {'training crops': _FILTERS},
  ),
  Original(
    'MUSDL on JIGSAWS',
    'the code of Tang et al. 2020',
    'pecop_aqa:dataset=jigsaws,task=suturing,head=musdl',
    {
      **_MUSDL,
      'length': '80 epochs',
      'weight decay': '0',
      'reports': 'the mean of the last ten epochs, of folds and 3 runs',
      'frames': '160 frames over the whole video; 10 segments of 16',
      'training crops': 'the middle 224',
      'augmentation': 'none',
      'test': 'likewise',
      'head': 'a network per criterion: 5 bins, Gaussian of 1 bin',
    },
    {
      **_MUSDL_NUMBERS,
      'epochs': 80.0,
      'optimizer.groups.*.weight_decay': 0.0,
      'tasks.*.clip.frames': 160,
      'tasks.*.clip.sampling': 'spread',
      'tasks.*.starts': tuple(range(0, 160, 16)),
      'tasks.*.augment.flip': False,
      'tasks.*.judges': 6,
      'tasks.*.bins': 5,
      'tasks.*.std': 1.0,
      'report': 'mean10',
    },
    {'training crops': _SIZE, 'test': _SIZE},
  ),
  Original(
    'CoRe on MTL-AQA',
    'the code of Yu et al. 2021',
    'pecop_aqa:head=core',
    {
      **_RELATIVE,
      'batch': '1 pair, gradients of 2 batches added up',
      'frames': '103 frames to the end, moved by up to 3; 10 segments of 16',
      'training crops': _STRETCHED,
      'test': 'stretched likewise, the middle 224',
      'head': 'a tree of depth 5, 16 leaves, over scores through their '
      'difficulty; 10 exemplars of the same difficulty',
    },
    {
      **_RELATIVE_NUMBERS,
      # A part of the batch is a pair.
      'batch_size': 2,
      'accumulate': 2,
      **_TAIL,
      'tasks.*.starts': (*range(0, 81, 10), 86),
      'tasks.*.clip.exemplar': 'difficulty',
      'tasks.*.clip.resolution': 224,
      'tasks.*.clip.stretch': (455, 256),
      'tasks.*.depth': 5,
      'tasks.*.score_range': 30.0,
      'tasks.*.divide_by_difficulty': True,
    },
  ),
  Original(
    'TSA on FineDiving',
    'the code of Xu et al. 2022',
    'pecop_aqa:dataset=finediving,head=tsa',
    {
      **_RELATIVE,
      'batch': '8',
      'reports': 'the best epoch, by the test; the last is what is kept',
      'frames': '96 frames over the dive; 9 segments of 16',
      'training crops': _SMALL,
      'test': 'stretched likewise, the middle 112',
      'head': 'steps, cross-attention, maps read on in another shape; 10 '
      'exemplars of the same dive; true steps for the first quarter of the '
      'epochs',
    },
    {
      **_RELATIVE_NUMBERS,
      'batch_size': 8,
      'tasks.*.clip.frames': 96,
      'tasks.*.clip.sampling': 'spread',
      'tasks.*.starts': tuple(range(0, 81, 10)),
      'tasks.*.clip.exemplar': 'action',
      'tasks.*.clip.resolution': 112,
      'tasks.*.clip.stretch': (200, 112),
      'tasks.*.truth_share': 0.25,
      'tasks.*.scramble': True,
    },
    {
      'head': 'maps keep their places; '
      '`--config.tasks.finediving.scramble=true` reads them on in another '
      'shape, as the code does'
    },
  ),
)
