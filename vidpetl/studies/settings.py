"""The settings that a study goes through.

A setting is what a run has beside the arguments and fields that all runs of the
study share. In Python it is a dict: 'config.<field>' sets a field of the
config, any other key an argument of it; 'name' is what tables and folders call
it, and 'family' what a picture joins.

    def get_hyper(argument=''):
      rates = [
        {'method': 'full', 'config.optimizer.learning_rate': rate}
        for rate in (1e-4, 1e-3)
      ]
      return [{'method': 'head', 'name': 'linear probe'}, *rates]

On the command line it is text: settings are separated by ';', what they set by
',', the values of one thing by '|', and 'name: ' in front is the name:

    linear probe: method=head; method=full,config.optimizer.learning_rate=1|2

'{name}' in a value stands for the argument of that name, and makes a grid of
what has a place of its own, as a backbone its weights:

    backbone=clip_b16|videomae_b,weights=runs/{backbone},method=head|lora

In round brackets, as regular expressions have them, and in quotes of either
sort these characters mean themselves:

    method=lora,where=encoderblock_(10|11)(/|$)
    method=full,config.trainable='((".*/bias|.*/scale", "train"),)'
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import re
import runpy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FIELD = 'config.'
_TOKEN = re.compile(r'"[^"]*"|\'[^\']*\'|\([^()"\']*\)|.', re.DOTALL)
_QUOTED = re.compile(r'"([^"]*)"|\'([^\']*)\'')
_PLACEHOLDER = re.compile(r'\{(\w+)\}')
_NAME = re.compile(r'(?:([^=,;:|"\']+):\s)?(.*)', re.DOTALL)


@dataclasses.dataclass(frozen=True, eq=False)
class Setting:
  """What one of a study's runs has for itself.

  Attributes:
    arguments: of the config, by name.
    fields: of the config, by path without 'config.'. A text is read as
      `--config.<path>=<text>` is.
    name: what tables call it.
    family: what it has in common with those that differ in size alone.
  """

  arguments: Mapping[str, str]
  fields: Mapping[str, Any]
  name: str
  family: str

  @property
  def chosen(self) -> dict[str, str]:
    """What it sets, by name, without what follows from others of that."""
    values = {key: str(value) for key, value in self.fields.items()}
    return _leading({**self.arguments, **values})

  @property
  def argument(self) -> str:
    """What is appended to the config's argument: 'method=lora,rank=2'."""
    return ','.join(f'{key}={text}' for key, text in self.arguments.items())

  @property
  def slug(self) -> str:
    """Name of its folder."""
    return re.sub(r'[^\w.=+-]+', '_', self.name.replace(', ', ','))


def load(path: str, argument: str) -> list[Setting]:
  """Returns the settings that `get_hyper(argument)` of a file lists.

  Raises:
    ValueError: if it has no such function, or for what cannot be set.
  """
  get_hyper = runpy.run_path(path).get('get_hyper')
  if get_hyper is None:
    raise ValueError(
      f'{path} has no get_hyper(argument) that lists settings; write one, or '
      "give --over='a=1; a=2'"
    )
  return make(get_hyper(argument))


def parse(text: str) -> list[Setting]:
  """Returns the settings of 'a=1; a=2,b=x|y; name: a=3', in their order.

  Raises:
    ValueError: for what is no 'name=value', a quote that does not close, and
      repetitions.
  """
  parts = filter(None, map(str.strip, _split(text, ';')))
  return make(itertools.chain.from_iterable(map(_expand, parts)))


def make(dicts: Iterable[Mapping[str, Any]]) -> list[Setting]:
  """Returns the settings that dicts describe.

  Raises:
    ValueError: for an argument's value that no argument can have, for names
      that are there twice, and for no settings at all.
  """
  made = [_make(**each) for each in dicts]
  count = collections.Counter(setting.slug for setting in made)
  if twice := sorted(slug for slug, times in count.items() if times > 1):
    raise ValueError(
      f'settings: {", ".join(twice)} is there twice; give them names'
    )
  if not made:
    raise ValueError('settings: there are none')
  return made


def _make(name: str = '', family: str = '', **values: Any) -> Setting:
  fields = {
    key.removeprefix(_FIELD): value
    for key, value in values.items()
    if key.startswith(_FIELD)
  }
  arguments = {
    key: _text(key, value)
    for key, value in values.items()
    if not key.startswith(_FIELD)
  }
  name = name or _name({**arguments, **fields})
  return Setting(arguments, fields, name, family or name)


def _name(values: Mapping[str, Any]) -> str:
  pairs = (f'{key.removeprefix(_FIELD)}={v}' for key, v in values.items())
  return ', '.join(pairs).removeprefix('method=')


def _text(key: str, value: Any) -> str:
  """Returns an argument's value as the config reads it."""
  if isinstance(value, bool):
    return str(value).lower()
  if isinstance(value, (list, tuple)):
    return '+'.join(map(str, value))
  if ',' in (text := str(value)):
    raise ValueError(
      f'settings: {key}={text!r}: the value of an argument cannot hold a '
      f"comma; set a field in its place ('{_FIELD}…')"
    )
  return text


def _expand(text: str) -> list[dict[str, Any]]:
  """Returns the settings of 'name: a=1,b=x|y', as dicts."""
  label, rest = _NAME.fullmatch(text).groups()
  pairs = list(map(_choices, _split(rest, ',')))
  choices = dict(pairs)
  if len(choices) < len(pairs):
    raise ValueError(f'over: {text!r} sets one thing twice')
  varied = {key for key, texts in choices.items() if texts[1:]}
  sizes = {key for key in varied if all(map(_is_number, choices[key]))}
  found = []
  for texts in itertools.product(*choices.values()):
    chosen = dict(zip(choices, texts))
    shown = {
      key: value
      for key, value in _leading(chosen).items()
      if key in varied or not label
    }
    kind = {key: value for key, value in shown.items() if key not in sizes}
    name, family = (
      ', '.join(filter(None, [label, _name(each)])) for each in (shown, kind)
    )
    family = family or ' '.join(key for key in choices if key in sizes)
    found.append({'name': name, 'family': family, **chosen})
  return found


def _leading(values: Mapping[str, str]) -> dict[str, str]:
  """Returns the values that stand for no other, as 'runs/{backbone}' does."""
  return {
    key: value
    for key, value in values.items()
    if not set(_PLACEHOLDER.findall(value)) & set(values)
  }


def _is_number(text: str) -> bool:
  try:
    float(text)
  except ValueError:
    return False
  return True


def _choices(field: str) -> tuple[str, list[str]]:
  """Returns name and values of 'name=x|y'."""
  name, equals, values = field.strip().partition('=')
  texts = [_QUOTED.sub(r'\1\2', value) for value in _split(values, '|')]
  if not name or not equals or not all(texts):
    raise ValueError(f'over: {field.strip()!r} is no name=value or name=x|y')
  return name, texts


def _split(text: str, separator: str) -> Sequence[str]:
  """Splits a text at a character, except within quotes and brackets."""
  parts = ['']
  for token in _TOKEN.findall(text):
    if token == separator:
      parts.append('')
    elif token in ('"', "'"):
      raise ValueError(f'over: a quote does not close in {text.strip()!r}')
    else:
      parts[-1] += token
  return parts
