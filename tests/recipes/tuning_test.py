"""The rows that the configs of parameter-efficient tuning document."""

import pytest

from configs import cofinetune_ava, mst_adapter, vpetl, vpetl_images
from vidpetl.recipes import methods

VPETL = (
  'full',
  'head',
  'bitfit',
  'adaptformer',
  'prefix',
  'patt,bottleneck=32',
  'bapat,bottleneck=256,frames=16',
  'bapat,to=qkv',
  'bapat,combine=concat',
  'bapat,source=learned',
  'vpt,backbone=videomae',
)
SSV2 = 'dataset=something_something_v2'
ROWS = [
  *((vpetl, f'method={row}') for row in VPETL),
  *((vpetl, f'dataset=hmdb51,method={row},head=true,split=2') for row in VPETL),
  *((vpetl, f'method={name}') for name in methods.POSITIONS),
  (vpetl_images, 'dataset=svhn_cropped,method=vpt'),
  (mst_adapter, 'model=L14,frames=16'),
  (mst_adapter, 'layers=5-8,shift=false'),
  (
    mst_adapter,
    f'{SSV2},placement=pre_norm,fuse=average,pointwise=none',
  ),
  (mst_adapter, f'{SSV2},method=aim'),
  (cofinetune_ava, 'method=patt,bottleneck=32'),
]


@pytest.mark.parametrize(
  'module, row', ROWS, ids=lambda x: getattr(x, '__name__', x)
)
def test_rows_parse_and_have_a_demo(module, row):
  config = module.get_config(row)
  demo = module.get_config(f'{row},demo')
  assert config.petl == demo.petl and config.trainable == demo.trainable
  assert demo.batch_size < config.batch_size or demo.epochs < config.epochs


def test_a_pretraining_binds_nothing_and_trains_kinetics():
  config = vpetl.get_config('pretrain,method=bapat,head=false')
  assert config.petl == () and list(config.tasks) == ['kinetics400']
  assert config.trainable[0] == ('^heads_', 'all')


def test_layers_are_counted_from_one():
  entries = mst_adapter.get_config('layers=1-4').petl
  assert {e['where'] for e in entries} == {'encoderblock_(0|1|2|3)(/|$)'}


def test_something_something_is_never_mirrored():
  for module, flip in ((vpetl, False), (mst_adapter, True)):
    (task,) = module.get_config('').tasks.values()
    assert task.augment.flip is flip


@pytest.mark.parametrize(
  'module, argument, match',
  [
    (vpetl, 'backbone=resnet', "backbone 'resnet' is none of 'swin', 'videom"),
    (vpetl, 'method=head,bottleneck=3', "Unknown config argument 'bottl"),
    (vpetl_images, 'dataset=mnist', "dataset 'mnist' is none of 'cifar100'"),
    (mst_adapter, 'layers=4-1', 'layers=4-1 is not "first-last"'),
    (mst_adapter, 'model=B32', "model 'B32' is none of 'B16', 'L14'"),
  ],
)
def test_mistakes_are_named(module, argument, match):
  with pytest.raises(ValueError, match=match):
    module.get_config(argument)
