"""Videos of one's own without classes: they lie anywhere."""

import pytest

from vidpetl.data import sources


def _open(path, **options):
  return sources.open_source(
    {'source': 'folder', 'path': str(path), 'split': 'train', **options}
  )


def test_videos_without_classes_lie_anywhere(tmp_path):
  for name in ('a.mp4', 'deep/er/b.mp4', 'deep/c.bin'):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  source = _open(tmp_path, val_fraction=0.0, kind='unlabelled')
  found = [source[i].id for i in range(len(source))]
  assert found == ['a.mp4', 'deep/er/b.mp4']
  assert (source.info.kind, source.info.num_classes) == ('unlabelled', 0)
  assert [d.id for d in source.info.dropped] == ['deep/c.bin']


def test_a_kind_that_folders_do_not_tell_is_refused(tmp_path):
  (tmp_path / 'a').mkdir()
  (tmp_path / 'a' / 'b.mp4').touch()
  with pytest.raises(ValueError, match="kind='quality' is not for clips"):
    _open(tmp_path, val_fraction=0.0, kind='quality')
