"""Every config loads, and trains a step once it is shrunk."""

import re

import experiments
import pytest

from vidpetl.experiment import complete, experiment
from vidpetl.tasks import distillation
from vidpetl.training import loop
from vidpetl.weights import family

ARGUMENTS = [
  '',
  'demo',
  'finetune',
  'variant=L,resolution=512,with=kinetics700+moments_in_time',
  'with=kinetics400,mixture=alternating',
  'ava_kinetics',
  'pretrain,with=kinetics400',
]

# Those whose rows start from published weights.
PAPERS = sorted(
  p.stem
  for p in (experiments.ROOT / 'configs').glob('*.py')
  if p.stem != 'adapt'
)


@pytest.mark.parametrize('argument', ARGUMENTS)
def test_arguments_are_understood(argument):
  config = experiments.load_config('cofinetune_ava', argument)
  assert config.is_locked
  assert ('kinetics400' in config.tasks) == (
    argument not in ('finetune', ARGUMENTS[3])
  )


def test_paper_settings():
  config = experiments.load_config('cofinetune_ava')
  clip = config.tasks.ava.clip
  assert (clip.frames, clip.stride, clip.min_score) == (32, 2, 0.8)
  assert config.optimizer.learning_rate == 0.2
  assert (config.epochs, config.optimizer.warmup_epochs) == (15, 2.5)
  assert config.tasks.ava.augment.box_jitter == 0.15
  assert not config.tasks.something_something_v2.augment.flip


@pytest.mark.slow
def test_full_config_trains_a_step(world, tmp_path):
  """bf16-free and tiny, but with the paper's optimizer and remat."""
  config = experiments.load_config('cofinetune_ava', 'with=kinetics400')
  config.unlock()
  config.backbone = {
    **{k: v for k, v in config.backbone.items() if k != 'variant'},
    'width': 8,
    'depth': 1,
    'heads': 2,
    'mlp': 16,
  }
  config = experiments.shrink(config, world)
  results = loop.run(config, str(tmp_path))
  assert results['step'] == 2


@pytest.mark.tail(1)
@pytest.mark.parametrize(
  'name, argument',
  [
    ('cofinetune_ava', 'method=patt,bottleneck=2,finetune'),
    ('vpetl', 'bottleneck=2,adapter=2'),
    ('vpetl_images', 'bottleneck=2,adapter=2'),
    ('mst_adapter', 'bottleneck=4'),
    ('st_adapter', 'bottleneck=4'),
    ('aim', 'dataset=something_something_v2,model=L14'),
  ],
)
def test_config_of_a_method_trains(name, argument, world, tmp_path):
  config = experiments.load_config(name, argument)
  results = loop.run(experiments.shrink(config, world), str(tmp_path))
  assert results['step'] == 2
  count = results['parameters']
  assert 0 < count['trained'] < count['total']


@pytest.mark.slow
@pytest.mark.parametrize(
  'name, argument',
  [
    ('vpetl', 'method=prefix,backbone=videomae,adapter=2,bottleneck=2'),
    ('vpetl', 'dataset=hmdb51,method=lora,rank=2'),
    ('vpetl', 'method=attn_qkv'),
    (
      'mst_adapter',
      'dataset=something_something_v2,method=st_adapter,bottleneck=4',
    ),
  ],
)
def test_config_of_a_method_begins(name, argument, world):
  config = experiments.load_config(name, argument)
  run = experiments.begin(experiments.shrink(config, world))
  count = run.experiment.counts()
  assert 0 < count['trained'] < count['total']


@pytest.mark.tail(1)
@pytest.mark.parametrize(
  'name, argument',
  [
    ('pecop_aqa', 'head=usdl,backbone=c3d'),
    ('pecop_aqa', 'head=tsa,dataset=finediving,backbone=c3d'),
    ('pecop_aqa', 'head=core,dataset=finediving,backbone=swin'),
    ('pecop_aqa', 'head=musdl,dataset=jigsaws,task=suturing,backbone=vit'),
    ('self_distillation', 'dataset=ucf101,backbone=r2plus1d'),
  ],
)
def test_config_of_quality_and_distillation_trains(
  name, argument, world, tmp_path
):
  config = experiments.load_config(name, argument)
  results = loop.run(experiments.shrink(config, world), str(tmp_path))
  assert results['step'] == 2
  (measured,) = results['tasks'].values()
  assert measured['undecodable'] == 0
  count = results['parameters']
  assert count['trained'] == count['total']


@pytest.mark.slow
@pytest.mark.parametrize(
  'name, argument',
  [
    ('pecop_pretrain', ''),
    ('pecop_pretrain', 'method=hpt,pretext=pace,backbone=c3d,dataset=hmdb51_1'),
    ('pecop_pretrain', 'method=hpt_bn,pretext=rspnet,backbone=r2plus1d'),
    ('pecop_pretrain', 'method=pecop,backbone=swin,dataset=pd4t,task=gait'),
    ('pecop_pretrain', 'method=dom_s,pretext=rspnet,backbone=vit'),
    ('pecop_pretrain', 'method=dom_g,backbone=r3d'),
    ('pecop_pretrain', 'method=hpt,pretext=rspnet,backbone=c3d,dataset=ava'),
    ('pecop_aqa', 'head=core,backbone=c3d'),
    ('pecop_pretrain', 'backbone=r3d,dataset=pd4t,task=hand_movement'),
    ('pecop_aqa', 'backbone=r3d,dataset=pd4t,task=finger_tapping'),
  ],
)
def test_config_of_pretraining_and_quality_begins(name, argument, world):
  config = experiments.load_config(name, argument)
  run = experiments.begin(experiments.shrink(config, world))
  method = argument.partition('method=')[2].partition(',')[0]
  count = run.experiment.counts()
  everything = name != 'pecop_pretrain'
  everything |= method in ('hpt', 'dom_s', 'dom_g')
  assert (count['trained'] == count['total']) == everything


@pytest.mark.parametrize(
  'name, argument, match',
  [
    ('pecop_pretrain', 'dataset=jigsaws', 'needs task='),
    ('pecop_pretrain', 'method=dom_s,init=x', 'starts from random'),
    ('pecop_pretrain', 'pretext=speednet', "'speednet' is none of 'vspp'"),
    ('pecop_pretrain', 'backbone=vit,norm_statistics=batch', 'no BatchNorm'),
    ('pecop_aqa', 'head=musdl,dataset=pd4t,task=gait', 'no settings for'),
    ('self_distillation', 'split=4', 'not 1, 2 or 3'),
    ('pecop_pretrain', 'method=hpt,kernel=5', 'kernel=5 is of 3D-Adapters'),
    ('pecop_aqa', 'reduction=8', 'reduction=8 is of 3D-Adapters, .*adapter='),
    ('pecop_pretrain', 'sampling=dense', 'sampling=dense: of method=dom_g'),
    ('vpetl_images', 'short=loop', 'short=loop: of videos'),
    ('pecop_aqa', 'stride=4', 'of sampling=dense, not of tail'),
  ],
)
def test_arguments_that_do_not_go_together(name, argument, match):
  with pytest.raises(ValueError, match=match):
    experiments.load_config(name, argument)


@pytest.mark.parametrize(
  'argument, schedule, milestones',
  [
    ('', 'cosine', ()),
    ('dataset=hmdb51', 'steps', (50, 70, 90)),
    ('dataset=hmdb51,backbone=r2plus1d', 'cosine', ()),
    ('dataset=hmdb51,schedule=constant', 'constant', ()),
    ('dataset=hmdb51,demo', 'cosine', ()),
    ('demo,schedule=steps', 'steps', (5, 7, 9)),
  ],
)
def test_schedules_of_rspnets_fine_tuning(argument, schedule, milestones):
  config = experiments.load_config('self_distillation', argument)
  assert config.optimizer.schedule == schedule
  assert tuple(config.optimizer.milestones) == milestones
  assert config.report == ('last' if 'demo' in argument else 'best')
  assert config.dtype == 'float32'


@pytest.mark.parametrize(
  'name, argument, sampler',
  [
    ('cofinetune_ava', 'with=kinetics400,sampling=segments', 'segments'),
    ('cofinetune_ava', 'with=kinetics400', 'stride'),
    ('self_distillation', 'sampling=spread', 'spread'),
    ('pecop_aqa', 'sampling=segments', 'segments'),
    ('pecop_aqa', 'demo,sampling=segments', 'segments'),
    ('vpetl', 'sampling=spread', 'spread'),
    ('aim', 'sampling=tail', 'tail'),
    ('pecop_pretrain', 'method=dom_g,sampling=segments', 'segments'),
  ],
)
def test_clips_are_sampled_as_an_argument_says(name, argument, sampler):
  config = complete.complete(experiments.load_config(name, argument))
  infos = experiment.infos_from_config(config)
  *_, task = config.tasks
  built = distillation.build(task, config.tasks[task].to_dict(), infos[task])
  assert built.train_clip.sampling == built.eval_clip.sampling == sampler


def test_unknown_argument_is_an_error():
  with pytest.raises(ValueError, match='varient'):
    experiments.load_config('cofinetune_ava', 'varient=L')


@pytest.mark.parametrize('name', PAPERS)
def test_weights_that_a_paper_starts_from_are_named(name):
  text = (experiments.ROOT / 'configs' / f'{name}.py').read_text()
  other = re.search(r'(?:eights are|converted as) [^.]*configs/(\w+)\.py', text)
  if other:
    text = (experiments.ROOT / 'configs' / f'{other[1]}.py').read_text()
  families = re.findall(r'vidpetl\.convert --from=(\w+)', text)
  assert families
  for each in families:
    assert family.load(each)
