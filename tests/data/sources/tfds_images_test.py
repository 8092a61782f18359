"""Images in the files of TFDS's own builders."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from vidpetl.data import clips, decode, sources
from vidpetl.data import quarantine as quarantine_lib
from vidpetl.world import images

SPEC = clips.ClipSpec.of(
  {'frames': 1, 'resolution': 48, 'resize': 'crop'}, 'classification'
)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  out = str(tmp_path_factory.mktemp('tfds'))
  images.write(out, datasets=images.DATASETS, size='tiny')
  return out


def open_images(data_dir, dataset, split):
  return sources.open_source(
    {
      'source': 'tfds_images',
      'data_dir': data_dir,
      'dataset': dataset,
      'split': split,
    }
  )


@pytest.mark.parametrize(
  'dataset, split, classes, count',
  [
    ('cifar100', 'train', 100, 20),
    ('svhn_cropped', 'test', 10, 10),
    ('food101', 'validation', 101, 10),
  ],
)
def test_an_image_is_a_clip_of_one_frame(
  data_dir, dataset, split, classes, count
):
  source = open_images(data_dir, dataset, split)
  assert len(source) == count
  assert source.info.num_classes == len(source.info.classes) == classes
  clip = clips.load(source, 3, SPEC, np.zeros(2, np.uint32))
  assert clip['video'].shape == (1, 48, 48, 3) and clip['valid']
  # What TFDS itself makes of the record.
  builder = tfds.builder(dataset, data_dir=data_dir, file_format='array_record')
  row = builder.as_data_source(split)[3]
  assert clip['label'] == row['label'] == source[3].label
  size = row['image'].shape[:2]
  ours = decode.read_frames(source.video(3), np.zeros(1), size)[0]
  # Decoders of JPEG differ a little, those of PNG not.
  error = np.abs(ours.astype(int) - row['image']).mean()
  assert error < (3 if dataset == 'food101' else 1e-6)


def test_what_is_written_is_left_alone(data_dir, capsys):
  before = open_images(data_dir, 'cifar100', 'train').video(0)
  images.write(data_dir, size='tiny', seed=1)
  assert open_images(data_dir, 'cifar100', 'train').video(0) == before


def test_a_damaged_image_is_a_decode_error(data_dir):
  class Damaged:
    def __init__(self, source):
      self.info, self._source = source.info, source

    def __len__(self):
      return len(self._source)

    def __getitem__(self, i):
      return self._source[i]

    def video(self, i):
      return self._source.video(i)[:40]

  source = Damaged(open_images(data_dir, 'cifar100', 'train'))
  quarantine = quarantine_lib.Quarantine()
  clip = clips.load(source, 3, SPEC, np.zeros(2, np.uint32), quarantine)
  assert not clip['valid']
  assert [row[2] for row in quarantine.rows()] == ['train/3']


@pytest.mark.parametrize(
  'change, error, match',
  [
    ({'data_dir': '/nowhere'}, FileNotFoundError, 'download_and_prepare'),
    ({'dataset': 'cifar'}, ValueError, "'cifar' is none that TFDS has"),
    ({'split': 'val'}, ValueError, 'there are: train, test'),
  ],
)
def test_mistakes_are_named(data_dir, change, error, match):
  right = {'data_dir': data_dir, 'dataset': 'cifar100', 'split': 'test'}
  with pytest.raises(error, match=match):
    open_images(**{**right, **change})
