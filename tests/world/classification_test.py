"""The annotation files of the classification datasets."""

import csv
import json

import pytest

from vidpetl.data import sources
from vidpetl.world import classified


def rows(path):
  with path.open(newline='', encoding='utf-8') as file:
    return list(csv.reader(file))


def test_kinetics_names_every_file(tiny):
  folder = tiny['kinetics400']
  for split in ('train', 'val'):
    header, *found = rows(folder / 'annotations' / f'{split}.csv')
    assert header == [
      'label', 'youtube_id', 'time_start', 'time_end', 'split'
    ]  # fmt: skip
    files = {path.name for path in (folder / split).iterdir()}
    assert files == {
      f'{id_}_{int(start):06d}_{int(end):06d}.mp4'
      for _, id_, start, end, _ in found
    }
    assert {row[4] for row in found} == {split}
    assert {len(row[1]) for row in found} == {11}


def test_moments_lists_name_files_by_class_folder(tiny):
  folder = tiny['moments_in_time']
  categories = dict(rows(folder / 'moments_categories.txt'))
  assert sorted(map(int, categories.values())) == list(range(len(categories)))
  for split, name in (
    ('training', 'trainingSet.csv'),
    ('validation', 'validationSet.csv'),
  ):
    found = rows(folder / name)
    videos = sorted((folder / split).rglob('*.mp4'))
    inner = [str(v.relative_to(folder / split)) for v in videos]
    assert sorted(row[0] for row in found) == inner
    for path, label, *_ in found:
      assert path.split('/')[0] == label
      assert label in categories


def test_something_has_templates_with_and_without_brackets(tiny):
  folder = tiny['something_something_v2']
  indices = json.loads((folder / 'labels' / 'labels.json').read_text())
  assert all(isinstance(index, str) for index in indices.values())
  ids = set()
  for split in ('train', 'validation'):
    for row in json.loads((folder / 'labels' / f'{split}.json').read_text()):
      assert set(row) == {'id', 'label', 'template', 'placeholders'}
      plain = row['template'].replace('[', '').replace(']', '')
      assert plain in indices
      assert len(row['placeholders']) == row['template'].count('[something]')
      assert row['placeholders'][0] in row['label']
      ids.add(row['id'])
  videos = (folder / '20bn-something-something-v2').iterdir()
  assert {video.name for video in videos} == {f'{id_}.webm' for id_ in ids}


@pytest.mark.parametrize('count', [2, 7, 35])
def test_roles_test_a_clip_in_one_split_at_most(count):
  folds = [classified.roles(count, fold) for fold in (1, 2, 3)]
  for roles in folds:
    assert roles.count(2) == max(1, count * 2 // 7)
    assert roles.count(0) == (count > 3)
  tested = [sum(roles[i] == 2 for roles in folds) for i in range(count)]
  assert max(tested) == (1 if count > 3 else 2)


@pytest.mark.parametrize('dataset', ['hmdb51', 'ucf101'])
def test_splits_are_read_as_written(tiny, dataset):
  sizes = []
  for fold in (1, 2, 3):
    found = {}
    for split in ('train', 'val'):
      source = sources.open_source(
        {
          'source': 'raw',
          'dataset': f'{dataset}_{fold}',
          'raw': str(tiny[dataset]),
          'split': split,
        }
      )
      assert not source.info.dropped
      found[split] = {source[i].id for i in range(len(source))}
      for i in range(len(source)):
        name = source.info.classes[source[i].label]
        assert source[i].id.startswith(name + '/')
    assert not found['train'] & found['val']
    sizes.append([len(ids) for ids in found.values()])
  assert sizes == [[8, 8]] * 3
