"""The rows that the configs of parameter-efficient tuning document."""

import pytest

from configs import cofinetune_ava, mst_adapter, vpetl, vpetl_images
from vidpetl.recipes import methods, tuning

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
    f'{SSV2},placement=pre_norm,fuse=average,pointwise=false',
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
  narrow = [dict.fromkeys(('bottleneck', 'middle'), 0)] * len(config.petl)
  bound, shown = (
    [{**e, **(n if n.keys() & e.keys() else {})} for e, n in zip(petl, narrow)]
    for petl in (config.petl, demo.petl)
  )
  assert bound == shown and config.trainable == demo.trainable
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


def test_bottlenecks_of_the_demo_are_narrow_unless_said():
  def widths(argument):
    petl = mst_adapter.get_config(argument).petl
    return {e['bottleneck'] for e in petl if e['technique'] == 'mst_adapter'}

  assert widths('') == {384}
  assert widths('demo') == {tuning.DEMO_WIDTH}
  assert widths('demo,bottleneck=40') == {40}


def test_videomae_is_tuned_as_by_adaptformer():
  config = vpetl.get_config('backbone=videomae,method=adaptformer')
  (task,) = config.tasks.values()
  assert (task.norm, task.clip.stride, task.clip.interpolation) == (
    *('batch', 4.0, 'bilinear'),
  )
  assert (config.batch_size, config.optimizer.learning_rate) == (256, 0.1)
  assert [(e['site'], e['dropout']) for e in config.petl] == [
    ('mlp_residual', 0.0)
  ]
  # Its last LayerNorm is not the file's, and trains.
  assert '^backbone/norm/' in config.init.skip
  assert config.trainable[0] == ('^backbone/norm/', 'all')


def test_images_are_tuned_as_by_adaptformer():
  config = vpetl_images.get_config('dataset=svhn_cropped,method=bapat')
  (task,) = config.tasks.values()
  assert config.backbone.summary == 'cls' and task.norm == 'batch'
  assert task.augment.flip and task.clip.interpolation == 'bicubic'
  (adapter,) = [e for e in config.petl if e['technique'] == 'adapter']
  assert (adapter['site'], adapter['dropout']) == ('mlp_residual', 0.1)
  assert (config.epochs, config.optimizer.warmup_epochs) == (100.0, 20.0)
  assert config.report == 'best' and config.eval_every_epochs == 1.0
  (prompt,) = vpetl_images.get_config('method=vpt').petl
  assert prompt['initial'] == 'xavier'


def test_the_adapter_of_swin_is_behind_its_layernorm_unless_said():
  for method in ('bapat', 'adaptformer', 'prefix'):
    for argument, site in (('', 'mlp'), (',site=mlp_residual', 'mlp_residual')):
      petl = vpetl.get_config(f'method={method}{argument}').petl
      assert [e['site'] for e in petl if e['technique'] == 'adapter'] == [site]


@pytest.mark.parametrize('module', [vpetl, mst_adapter])
def test_sampling_and_report_are_arguments(module):
  config = module.get_config('sampling=segments,report=validated')
  (task,) = config.tasks.values()
  assert task.clip.sampling == 'segments' and 'short' not in task.clip
  assert (config.report, config.validation) == ('best', 0.1)
  (task,) = module.get_config('stride=16,short=stretch').tasks.values()
  assert (task.clip.stride, task.clip.short) == (16.0, 'stretch')


@pytest.mark.parametrize(
  'module, argument, match',
  [
    (vpetl, 'backbone=resnet', "backbone 'resnet' is none of 'swin', 'videom"),
    (vpetl, 'method=head,bottleneck=3', "Unknown config argument 'bottl"),
    (vpetl_images, 'dataset=mnist', "dataset 'mnist' is none of 'cifar100'"),
    (mst_adapter, 'layers=4-1', 'layers=4-1 is not "first-last"'),
    (mst_adapter, 'model=B32', "model 'B32' is none of 'B16', 'L14'"),
    (vpetl, 'sampling=random', "sampling 'random' is none of 'dense'"),
    (vpetl, 'sampling=spread,short=hold', 'short=hold: of sampling=dense'),
    (vpetl, 'report=first', "report 'first' is none of 'last'"),
  ],
)
def test_mistakes_are_named(module, argument, match):
  with pytest.raises(ValueError, match=match):
    module.get_config(argument)
