"""Tuned models are what their authors' code has, and can be changed."""

import pytest

from vidpetl.experiment import complete
from vidpetl.recipes import methods, named, tuned

PLAIN = 'adapt:data=hmdb51_1,method='


def load(argument):
  config = complete.complete(named.load(argument)).to_dict()
  (task,) = config['tasks'].values()
  return config, task


@pytest.mark.parametrize('name', tuned.TUNED)
def test_a_name_is_enough_for_backbone_clips_and_head(name):
  known = tuned.TUNED[name]
  config, task = load(PLAIN + name)
  assert config['backbone'].items() >= known.backbone.items()
  assert task.items() >= known.head.items()
  assert task['clip'].items() >= known.clip.items()
  # Whatever is dropped, no branch of the backbone is.
  assert config['backbone']['stochastic_depth'] == 0
  assert set(known.options) <= set(methods.options(known.method))


@pytest.mark.parametrize(
  'name, bound',
  [
    ('aim:k400_b16', {'aim': {'inner': False}, 'mlp': {'scale': 0.5}}),
    ('aim:k400_l14', {'aim': {'inner': False}, 'mlp': {'scale': 0.5}}),
    ('aim:ssv2_b16', {'aim': {'inner': True}, 'mlp': {'scale': 1.0}}),
    ('aim:ssv2_l14', {'aim': {'inner': True}, 'mlp': {'scale': 1.0}}),
    ('aim:diving48_b16', {'aim': {'inner': False}, 'mlp': {'scale': 0.5}}),
  ],
)
def test_aim_drops_the_paths_of_two_adapters_alone(name, bound):
  entries, _ = methods.make(name)
  by_name = {
    e['technique'] if e['technique'] == 'aim' else e['site']: e for e in entries
  }
  for key, fields in bound.items():
    assert by_name[key].items() >= {**fields, 'drop_path': 0.2}.items()
  assert by_name['attn']['drop_path'] == 0


def test_st_adapter_sits_once_in_a_block_for_kinetics_and_twice_for_order():
  sites = [
    [entry['site'] for entry in methods.make(f'st_adapter:{name}_b16')[0]]
    for name in ('k400', 'ssv2')
  ]
  assert sites == [['attn_residual'], ['block_in', 'attn_residual']]


@pytest.mark.parametrize(
  'argument, field, value',
  [
    ('aim:ssv2_b16,inner=false', 'petl[1].inner', False),
    ('aim:ssv2_b16,drop_path=0', 'petl[3].drop_path', 0.0),
    ('st_adapter:k400_b16,per_block=2', 'petl[1].bottleneck', 384),
    ('st_adapter:k400_b16,frames=16', 'tasks.hmdb51.clip.frames', 16),
    ('aim:k400_b16,head_dropout=0.1', 'tasks.hmdb51.dropout', 0.1),
    ('aim:ssv2_b16,sampling=dense', 'tasks.hmdb51.clip.sampling', 'stride'),
  ],
)
def test_what_it_says_is_a_default(argument, field, value):
  config, _ = load(PLAIN + argument)
  for part in field.replace('[', '.').replace(']', '').split('.'):
    config = config[int(part) if part.isdigit() else part]
  assert config == value


@pytest.mark.parametrize(
  'argument, method',
  [
    ('st_adapter', 'st_adapter:k400_b16'),
    ('st_adapter:dataset=something_something_v2', 'st_adapter:ssv2_b16'),
    ('aim', 'aim:k400_b16'),
    ('aim:dataset=something_something_v2,model=L14', 'aim:ssv2_l14'),
    ('aim:dataset=diving48', 'aim:diving48_b16'),
    ('vpetl:backbone=videomae,method=adaptformer:ssv2', 'adaptformer:ssv2'),
  ],
)
def test_configs_train_the_model_of_their_dataset(argument, method):
  config, task = load(argument)
  for entry, made in zip(config['petl'], methods.make(method)[0], strict=True):
    assert entry.items() >= made.items()
  assert task.items() >= tuned.TUNED[method].head.items()
  assert config['backbone'].items() >= tuned.TUNED[method].backbone.items()


@pytest.mark.parametrize(
  'argument, match',
  [
    ('aim:x', 'no tuned model: there are aim:k400_b16, .*aim:diving48_b16'),
    ('lora:x', 'no tuned model: there are none'),
    (
      'aim:ssv2_b16,backbone=videomae_b',
      'aim:ssv2_b16 is of backbone=clip_b16; on others, give method=aim',
    ),
    ('aim:diving48_b16,per_block=1', 'Unknown config argument'),
  ],
)
def test_mistakes_are_named(argument, match):
  with pytest.raises(ValueError, match=match):
    named.load(PLAIN + argument)
