"""What a run says of its data at its start."""

import dataclasses
import json

import drawn
import pytest

from vidpetl.data import sources
from vidpetl.data.survey import record, start
from vidpetl.recipes import defaults


@pytest.fixture
def look(tmp_path):
  root = drawn.folder(tmp_path / 'x', ['turn_left', 'walk'])
  source = {'source': 'folder', 'path': str(root)}
  opened = {
    s: sources.open_source({**source, 'split': s}) for s in ('train', 'val')
  }
  task = {
    'train': source,
    'clip': {'frames': 4, 'stride': 1, 'resolution': 32},
    'augment': {'flip': True},
  }

  def find(clip=None, short_side=None, **inputs):
    options = {**defaults.get_config().input, **inputs}
    for source in opened.values():
      source.info = dataclasses.replace(source.info, short_side=short_side)
    asked = {**task, 'clip': task['clip'] | (clip or {})}
    return start.look(
      {'tasks': {'own': asked}, 'input': options},
      {'own': opened['train']},
      {'own': opened['val']},
      tmp_path,
      str(tmp_path / 'cache.sqlite'),
    )

  return find


def test_counts_and_what_is_odd_are_said_and_written(look, tmp_path):
  lines = look()
  assert lines[0] == 'own: 12 train clips, 4 val clips, 2 classes.'
  assert lines[1].startswith('wrong  1 class tells left from right')
  written = json.loads((tmp_path / 'check.json').read_text())
  assert written['levels']['wrong'] == 1
  assert written['files'] == {'all': 16, 'known': 16}


@pytest.mark.parametrize(
  'clip, side, told',
  [
    ({'resolution': 512}, 256, 512),
    ({'resolution': 224, 'resize': 'crop', 'short_side': 288}, 256, 288),
    ({'resolution': 224}, 256, None),
    ({'resolution': 512}, 512, None),
    ({'resolution': 512}, None, None),
  ],
)
def test_records_that_are_too_small_are_named(look, clip, side, told):
  lines = look(clip=clip, short_side=side)
  lines = [line for line in lines if 'upsampled' in line]
  assert len(lines) == (told is not None)
  if told:
    assert f'shorter sides of {side} pixels' in lines[0]
    assert f'--short_side={told}' in lines[0]


def test_off_says_and_writes_nothing(look, tmp_path):
  assert look(check='off') == []
  assert not (tmp_path / 'check.json').exists()


def test_of_many_files_a_few_are_read(look, monkeypatch):
  monkeypatch.setattr(start, 'MOST', 5)
  line = '5 of 16 files were looked at; `vidpetl check` reads all.'
  assert look()[-1] == line
  # What is known already is not read again.
  assert look()[-1].startswith('10 of 16 files')


def test_a_look_that_fails_stops_no_run(look, monkeypatch):
  def read(path):
    raise RuntimeError('no more')

  monkeypatch.setattr(record, 'read', read)
  assert look() == ['the data were not checked: RuntimeError: no more']


def test_records_are_not_opened_for_their_bytes(tmp_path):
  class Bytes:
    def __init__(self, source):
      self.source, self.info, self.asked = source, source.info, 0
      self.ids, self.shown = source.ids, source.shown

    def __len__(self):
      return len(self.source)

    def __getitem__(self, i):
      return self.source[i]

    def video(self, i):
      self.asked += 1
      return b'bytes'

  root = drawn.folder(tmp_path / 'x')
  fields = {'source': 'folder', 'path': str(root), 'split': 'train'}
  packed = Bytes(sources.open_source(fields))
  config = {
    'tasks': {'own': {'train': fields, 'clip': {'resolution': 32}}},
    'input': defaults.get_config().input,
  }
  lines = start.look(config, {'own': packed}, {}, tmp_path, '')
  assert lines == ['own: 12 train clips, 2 classes.']
  assert packed.asked == 1
