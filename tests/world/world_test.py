"""What `world.write` promises, whatever the dataset."""

import hashlib
import json
import pathlib

import av
import pytest

from vidpetl import parts, world
from vidpetl.data import datasets, sources
from vidpetl.world import datasets as drawn
from vidpetl.world import images


def digests(folder):
  """Relative path -> hash of every file below a folder."""
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).digest()
    for path in sorted(pathlib.Path(folder).rglob('*'))
    if path.is_file()
  }


def decode(path):
  """The frame rate, size and number of frames of a video."""
  with av.open(str(path)) as file:
    stream = file.streams.video[0]
    frames = sum(1 for _ in file.decode(stream))
    size = stream.width, stream.height
    return float(stream.average_rate), size, frames, stream.codec.canonical_name


def test_same_bytes_by_any_number_of_processes(tiny, tmp_path):
  names = (
    'finediving',
    'jigsaws',
    'kinetics400',
    'mtl_aqa',
    'something_something_v2',
  )
  again = world.write(
    tmp_path, seed=3, size='tiny', datasets=names, processes=2
  )
  for name in names:
    assert digests(again[name]) == digests(tiny[name])


def test_another_seed_is_another_world(tiny, tmp_path):
  other = world.write(
    tmp_path, seed=4, size='tiny', datasets=['kinetics400'], processes=1
  )
  ours, theirs = (
    {f.name for f in pathlib.Path(d['kinetics400']).rglob('*.mp4')}
    for d in (tiny, other)
  )
  assert len(ours) == len(theirs) and not ours & theirs


def test_finished_dataset_is_left_alone_and_broken_one_redone(tmp_path):
  def write(seed=0):
    return world.write(
      tmp_path,
      seed=seed,
      size='tiny',
      datasets=['something_something_v2'],
      processes=1,
    )['something_something_v2']

  folder = write()
  video = next(pathlib.Path(folder).rglob('*.webm'))
  video.unlink()
  write()
  assert not video.exists()
  marker = folder / world.MARKER
  unfinished = {**json.loads(marker.read_text()), 'complete': False}
  marker.write_text(json.dumps(unfinished))
  write()
  assert video.exists()
  before = digests(folder)
  write(seed=1)
  assert digests(folder).keys() == before.keys()
  assert digests(folder) != before


def test_folder_of_someone_else_is_refused(tmp_path):
  folder = tmp_path / 'ava'
  folder.mkdir()
  (folder / 'film.mkv').write_bytes(b'irreplaceable')
  with pytest.raises(ValueError, match='not a demo world'):
    world.write(tmp_path, size='tiny', datasets=['ava'])
  assert (folder / 'film.mkv').exists()


@pytest.mark.parametrize(
  'arguments', [{'size': 'huge'}, {'datasets': ['ava', 'imagenet']}]
)
def test_unknown_arguments(tmp_path, arguments):
  with pytest.raises(ValueError, match=r'huge|imagenet'):
    world.write(tmp_path, **arguments)


CODECS = {
  'something_something_v2': 'vp9',
  'hmdb51': 'mpeg4',
  'jigsaws': 'mpeg4',
  'ucf101': 'mpeg4',
}


def films_of(dataset, *arguments):
  return parts.load(drawn, dataset, 'films', 'dataset').films(*arguments)


# FineDiving is drawn as folders of frames.
@pytest.mark.parametrize('dataset', sorted({*world.DATASETS} - {'finediving'}))
def test_videos_open_with_the_stated_length(tiny, dataset):
  films = films_of(dataset, 3, 'tiny')
  folder = tiny[dataset]
  codec = CODECS.get(dataset, 'h264')
  for film in films[:2] + films[-2:]:
    rate, size, frames, name = decode(folder / film.path)
    assert rate == pytest.approx(15)
    assert size == film.size == (64, 48)
    assert frames == round(film.seconds * 15)
    assert name == codec


@pytest.mark.parametrize('dataset', world.DATASETS)
def test_splits_share_no_video(dataset):
  films = films_of(dataset, 0, 'demo')
  assert len({film.id for film in films}) == len(films)
  assert len({film.path for film in films}) == len(films)
  assert len({film.key for film in films}) == len(films)


def test_what_is_drawn_is_what_the_records_of_datasets_say():
  demos = {
    name
    for name in datasets.names()
    if datasets.find(name).demo_classes is not None
  }
  assert demos == {*world.DATASETS, *images.DATASETS}


@pytest.mark.parametrize('dataset', world.DATASETS)
def test_classes_drawn_are_as_many_as_the_dataset_says(dataset):
  record = datasets.find(dataset)
  if record.kind == 'classification':
    labels = {film.label for film in films_of(dataset, 0, 'demo')}
    assert len(labels) == record.demo_classes
  else:
    assert record.demo_classes == record.num_classes


@pytest.mark.parametrize('dataset', world.DATASETS)
def test_what_is_drawn_opens_as_the_dataset_does(tiny, dataset):
  record = datasets.find(dataset)
  options = {name: values[0] for name, values in record.variants.items()}
  source = sources.open_source(
    {
      'source': 'raw',
      'dataset': record.names[0],
      'raw': str(tiny[dataset]),
      'split': record.splits[0],
      **options,
    }
  )
  assert source.info.kind == record.kind and len(source)
  if record.kind == 'localisation':
    assert source.info.num_classes == record.num_classes
