"""Settings of a study, as text and as Python."""

import pytest

from vidpetl.studies import settings


def test_values_multiply_and_settings_keep_their_order():
  made = settings.parse(
    'method=head; method=bapat, bottleneck=4|16, to=kv|qv;'
    'method=mst,shift=false'
  )
  assert [s.argument for s in made] == [
    'method=head',
    'method=bapat,bottleneck=4,to=kv',
    'method=bapat,bottleneck=4,to=qv',
    'method=bapat,bottleneck=16,to=kv',
    'method=bapat,bottleneck=16,to=qv',
    'method=mst,shift=false',
  ]
  # Sizes are joined in pictures, and words are not.
  assert [s.family for s in made] == [
    'head',
    *['bapat, to=kv', 'bapat, to=qv'] * 2,
    'mst, shift=false',
  ]
  assert len({s.slug for s in made}) == 6


def test_settings_can_have_names():
  one, two, three = settings.parse(
    'Dom-G: init=demo/i3d; HPT+BN: init=a,rank=2|4'
  )
  assert (one.name, one.slug) == ('Dom-G', 'Dom-G')
  assert one.argument == 'init=demo/i3d'
  assert (two.name, two.slug) == ('HPT+BN, rank=2', 'HPT+BN_rank=2')
  assert (three.argument, three.family) == ('init=a,rank=4', 'HPT+BN')


def test_what_follows_from_another_value_is_in_no_name():
  made = settings.parse('b=x|y,weights=runs/{b},init={seed},config.f=a{b}')
  assert [s.name for s in made] == ['b=x, init={seed}', 'b=y, init={seed}']
  assert made[1].argument == 'b=y,weights=runs/{b},init={seed}'
  assert made[1].chosen == {'b': 'y', 'init': '{seed}'}


def test_what_is_in_quotes_is_not_cut():
  (one,) = settings.parse(
    """all: method=full,config.trainable='((".*/bias|x; y: z", "train"),)'"""
  )
  assert one.argument == 'method=full'
  assert one.fields == {'trainable': '((".*/bias|x; y: z", "train"),)'}
  first, second = settings.parse('config.a="x|y"|z')
  assert (first.fields['a'], second.fields['a']) == ('x|y', 'z')


def test_fields_multiply_as_arguments_do():
  made = settings.parse('method=full,config.optimizer.learning_rate=0.1|0.2')
  assert [s.argument for s in made] == ['method=full'] * 2
  assert [s.fields for s in made] == [
    {'optimizer.learning_rate': '0.1'},
    {'optimizer.learning_rate': '0.2'},
  ]
  assert [s.slug for s in made] == [
    'full_optimizer.learning_rate=0.1',
    'full_optimizer.learning_rate=0.2',
  ]


@pytest.mark.parametrize(
  'over, match',
  [
    ('method', "'method' is no name=value"),
    ('rank=2|', "'rank=2|' is no name=value"),
    ('rank=2; rank=2', 'rank=2 is there twice'),
    ('rank=2,rank=4', "'rank=2,rank=4' sets one thing twice"),
    (' ; ', 'there are none'),
    ("config.a='x", "quote does not close in .*'x"),
    ("rank='1,2'", "rank='1,2'.* cannot hold a comma"),
  ],
)
def test_what_cannot_be_set_is_refused(over, match):
  with pytest.raises(ValueError, match=match.replace('|', r'\|')):
    settings.parse(over)


def test_a_file_lists_settings_in_python(tmp_path):
  path = tmp_path / 'rates.py'
  path.write_text(
    'def get_hyper(argument):\n'
    '  yield {"name": "probe", "method": "head", "family": "heads"}\n'
    '  for rate in (0.1, 0.2):\n'
    '    yield {"method": argument, "flip": True, "with": ("a", "b"),\n'
    '           "config.optimizer.learning_rate": rate}\n'
  )
  probe, low, high = settings.load(str(path), 'full')
  assert (probe.name, probe.family) == ('probe', 'heads')
  assert low.argument == 'method=full,flip=true,with=a+b'
  assert high.fields == {'optimizer.learning_rate': 0.2}
  assert low.name == 'full, flip=true, with=a+b, optimizer.learning_rate=0.1'


def test_a_file_without_settings_says_how_to_list_them(tmp_path):
  path = tmp_path / 'empty.py'
  path.write_text('')
  with pytest.raises(
    ValueError, match=r'empty.py has no get_hyper\(argument\)'
  ):
    settings.load(str(path), '')


def test_a_regex_in_brackets_is_one_value():
  first, second = settings.parse(
    'method=lora,where=encoderblock_(10|11)(/|$)|stage_3'
  )
  assert first.arguments['where'] == 'encoderblock_(10|11)(/|$)'
  assert second.arguments['where'] == 'stage_3'
