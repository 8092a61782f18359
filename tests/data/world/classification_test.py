"""The annotation files of the classification datasets."""

import csv
import json


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
