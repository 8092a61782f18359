import pytest

from vidpetl.recipes import arguments


def test_types_follow_the_defaults():
  arg = arguments.parse(
    'demo,size=3,rate=0.5,name=x,with=a+b',
    demo=False,
    size=1,
    rate=1.0,
    name='',
    **{'with': ('c',)},
  )
  assert arg.demo is True
  assert (arg.size, arg.rate, arg.name) == (3, 0.5, 'x')
  assert arg['with'] == ('a', 'b')


def test_nothing_given_is_the_defaults():
  assert arguments.parse(None, size=1).size == 1


@pytest.mark.parametrize('text', ['sizes=1', 'size=big', 'demo=perhaps'])
def test_mistakes_are_named(text):
  with pytest.raises(ValueError, match=text.partition('=')[0]):
    arguments.parse(text, size=1, demo=False)


def test_a_backslash_makes_a_comma_a_part_of_a_value():
  text = r'data=before\, after,size=2'
  arg = arguments.parse(text, data='', size=1)
  assert (arg.data, arg.size) == ('before, after', 2)
  assert arguments.value(text, 'data', '') == 'before, after'


def test_a_factor_may_be_learned():
  assert arguments.parse('scale=learned', scale=0.8).scale == 'learned'
  with pytest.raises(ValueError, match='rate'):
    arguments.parse('rate=learned', rate=0.8)
  with pytest.raises(ValueError, match="is not a float or 'learned'"):
    arguments.parse('scale=lerned', scale=0.8)


def test_a_comma_has_a_cure():
  with pytest.raises(ValueError, match=r"' after' .*written \\,"):
    arguments.parse('data=before, after', data='')


def test_a_tilde_is_the_home_folder(monkeypatch):
  monkeypatch.setenv('HOME', '/home/me')
  parsed = arguments.parse('data=~/clips,val=a~/b', data='', val='')
  assert (parsed.data, parsed.val) == ('/home/me/clips', 'a~/b')
