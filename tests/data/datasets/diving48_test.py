"""Diving48's official files, drawn small."""

import json

import pytest

from vidpetl.data import datasets, sources
from vidpetl.data.annotations import text
from vidpetl.data.datasets import diving48

_VOCAB = [['Back', '15som', '05Twis', 'FREE'], ['Forward', '35som', 'PIKE']]


def _dive(name, label):
  return {'vid_name': name, 'label': label, 'start_frame': 0, 'end_frame': 70}


def _write(root, files):
  for name, content in files.items():
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('' if content is None else json.dumps(content))


_FILES = {
  'Diving48_vocab.json': _VOCAB,
  'Diving48_V2_train.json': [_dive('-m_00155', 1), _dive('-m_00156', 0)],
  'Diving48_V2_test.json': [_dive('8V_00000', 1)],
  'rgb/-m_00155.mp4': None,
  'rgb/8V_00000.mp4': None,
}


def _open(root, split):
  return sources.open_source(
    {'source': 'raw', 'dataset': 'diving48', 'raw': str(root), 'split': split}
  )


@pytest.mark.parametrize('folder', ['', 'annotations/'])
def test_a_split_is_its_list_and_the_files(tmp_path, folder):
  _write(
    tmp_path,
    {
      folder + name if name.endswith('json') else name: content
      for name, content in _FILES.items()
    },
  )
  train, val = _open(tmp_path, 'train'), _open(tmp_path, 'val')
  assert [(train[0].id, train[0].label), len(train)] == [('-m_00155', 1), 1]
  assert [d.id for d in train.info.dropped] == ['-m_00156']
  assert train.video(0) == str(tmp_path / 'rgb/-m_00155.mp4')
  assert (train[0].start, train[0].end) == (0.0, None)
  assert dict(train.info.classes) == {
    0: 'Back 15som 05Twis FREE',
    1: 'Forward 35som PIKE',
  }
  assert (val[0].id, val[0].label) == ('8V_00000', 1)


@pytest.mark.parametrize(
  'entry', [{'vid_name': 'a'}, _dive('a', 2), _dive('a', '0'), _dive(3, 0), 7]
)
def test_an_entry_that_is_no_dive_is_named(tmp_path, entry):
  path = tmp_path / 'list.json'
  path.write_text(json.dumps([_dive('b', 0), entry]))
  with pytest.raises(text.AnnotationError, match=r'list\.json\[1\]: .*0 to 1'):
    diving48.read(str(path), 2)


@pytest.mark.parametrize(
  'vocab, message',
  [
    ([['Back'], 'Forward'], r"vocab\.json\[1\]: 'Forward'"),
    ([['Back'], []], r'vocab\.json\[1\]'),
    ([['Back'], ['Back']], 'each class once'),
    ([], '0 classes'),
  ],
)
def test_a_vocabulary_that_is_none_is_refused(tmp_path, vocab, message):
  path = tmp_path / 'vocab.json'
  path.write_text(json.dumps(vocab))
  with pytest.raises(text.AnnotationError, match=message):
    diving48.read_classes(str(path))


def test_a_mirrored_dive_keeps_its_label():
  assert datasets.find('diving48').mirrored
