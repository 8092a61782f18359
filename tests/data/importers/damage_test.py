"""Files that are damaged at random."""

import json
import random

import annotated
import annotation_tools
import pytest

from vidpetl import mistakes
from vidpetl.data import importers
from vidpetl.data.importers import boxes, contract, files, films

_VALUES = (None, '', [], {}, -1, 'x', [1], {'a': 1}, True, 3.5, 'nan', [None])
_PIECES = ('"', ',', ';', '<', '>', 'x', '-', '9', '\n', '{', '[', '\0', '&')


def _change_value(document, chance):
  """Puts a value of another kind somewhere into what a json file holds."""
  parent, key, node = None, None, document
  for _ in range(chance.randint(1, 6)):
    if not node or not isinstance(node, (dict, list)):
      break
    keys = list(node) if isinstance(node, dict) else range(len(node))
    parent, key = node, chance.choice(keys)
    node = parent[key]
  parent[key] = chance.choice(_VALUES)


def _change_text(text, chance):
  """Cuts, inserts or repeats a piece of a text."""
  i, j = chance.randrange(len(text)), chance.randrange(len(text))
  return chance.choice(
    [
      text[:i],
      text[:i] + text[i + chance.randint(1, 20) :],
      text[:i] + chance.choice(_PIECES) + text[i:],
      text[:i] + text[j : j + 30] + text[i:],
    ]
  )


def _damage(path, chance):
  text = path.read_text(encoding='utf-8')
  if path.suffix == '.json' and chance.random() < 0.8:
    document = json.loads(text)
    _change_value(document, chance)
    text = json.dumps(document)
  else:
    text = _change_text(text, chance)
  path.write_text(text, encoding='utf-8')


@pytest.mark.parametrize('name', importers.names())
def test_what_is_no_number_is_no_row_of_a_tool(name, tmp_path):
  path = tmp_path / 'a.txt'
  for value in ('inf', 'nan', '-inf', '1e999'):
    for separator in (' ', ','):
      path.write_text(separator.join([value] * 9) + '\n')
      assert not importers.find(name).recognises(files.File(path))


@pytest.mark.parametrize('seed', range(5))
@pytest.mark.parametrize(
  'write', annotation_tools.WRITERS, ids=lambda write: write.__name__
)
def test_a_damaged_file_is_no_error_of_the_program(write, seed, tmp_path):
  chance = random.Random(f'{write.__name__} {seed}')
  truth = annotated.truth(annotation_tools.WRITERS[write])
  words = write(tmp_path, truth)
  paths = [word for word in words if not word.startswith('--')]
  chance.shuffle(paths)
  _damage(
    chance.choice(
      sorted(path for path in tmp_path.rglob('*.*') if path.is_file())
    ),
    chance,
  )
  name = write.__name__.partition('_')[0].replace('via3', 'via')
  try:
    found = annotated.reading(
      name,
      *paths,
      fps=10.0,
      size=(64.0, 48.0),
      action=('label',) if name in ('yolo', 'mot', 'ava') else (),
    )
    assert isinstance(found, contract.Reading)
    boxes.assemble(found, films.Videos(''))
  except ValueError as error:
    assert mistakes.is_mistake(error)
