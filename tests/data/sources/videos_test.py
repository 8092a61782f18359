"""Finding clips below a folder: videos of any suffix, folders of frames."""

import os
import unicodedata

import pytest

from vidpetl.data import decode, frames
from vidpetl.data.sources import videos


def _make(root, *names):
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  return str(root)


@pytest.mark.parametrize('name', ['A.MTS', 'a.m2ts', 'a.vob', 'a.Gif', 'a.3gp'])
def test_suffixes_in_any_case(name):
  assert videos.is_video(name)
  assert videos.without_suffix(name) == name[0]


@pytest.mark.parametrize('name', ['a.txt', 'a', 'a.jpg', 'a.1', 'mp4'])
def test_suffixes_of_other_things(name):
  assert not videos.is_video(name)
  assert videos.without_suffix(name) == name


@pytest.mark.parametrize('suffix', videos.SUFFIXES)
def test_the_decoder_reads_a_video_of_each_suffix(video, tmp_path, suffix):
  """Its content counts, and the suffix stands in nobody's way."""
  path = tmp_path / f'a{suffix}'
  path.symlink_to(video)
  with decode.Video(str(path)) as opened:
    assert opened.fps == 15


def test_frames_are_a_clip_where_there_is_no_video(tmp_path):
  path = _make(
    tmp_path,
    *('a/1.jpg', 'a/2.jpg', 'a/notes.txt', 'b/x.mp4', 'b/thumb_1.jpg'),
    *('c/poster_1.jpg', 'c/deep/y.webm', 'd/no number.jpg', 'e/1.webp'),
  )
  tree = videos.look(path)
  assert tree.clips == {'a': True, 'b/x.mp4': False, 'c/deep/y.webm': False} | {
    'e': True
  }
  assert tree.others == [
    *('a/notes.txt', 'b/thumb_1.jpg', 'c/poster_1.jpg', 'd/no number.jpg')
  ]
  assert tree.folders == ['b', 'c/deep', 'c', 'd', '']


def test_flow_beside_frames_is_left_alone_and_counted(tmp_path):
  path = _make(
    tmp_path,
    *('a/img_1.jpg', 'a/flow_x_1.jpg', 'a/flow_y_1.jpg', 'b/1.png'),
    *('b/flow/1.png', 'flow_state/c/1.bmp', 'd/flower_1.jpg'),
  )
  tree = videos.look(path)
  assert list(tree.clips) == ['a', 'b', 'd', 'flow_state/c']
  assert tree.flow == 3
  assert not tree.others


class TestFinder:
  def test_by_file_name_whatever_the_suffix(self, tmp_path):
    path = _make(
      tmp_path, 'x/a.mkv', 'y/b/1.jpg', 'z/c.d.MP4', 'x/@eaDir/a.mkv'
    )
    finder = videos.Finder(path)
    assert finder.get('a.avi') == str(tmp_path / 'x/a.mkv')
    assert finder.get('b') == str(tmp_path / 'y/b')
    assert finder.get('c.d') == str(tmp_path / 'z/c.d.MP4')
    assert finder.get('d') is None
    assert sorted(finder) == ['a', 'b', 'c.d']

  def test_by_class_and_file_name(self, tmp_path):
    path = _make(tmp_path, 'deep/run/a.mp4', 'deep/jump/a.mp4')
    finder = videos.Finder(path, videos.class_and_stem)
    assert finder.get('run/a.avi') == str(tmp_path / 'deep/run/a.mp4')
    assert finder.get('a') is None

  def test_in_any_form_of_unicode(self, tmp_path):
    name = unicodedata.normalize('NFD', 'café')
    path = _make(tmp_path, f'{name}.mp4')
    assert videos.Finder(path).get('café') == str(tmp_path / f'{name}.mp4')

  def test_a_video_goes_before_its_frames(self, tmp_path):
    path = _make(tmp_path, 'frames/a/1.jpg', 'videos/a.mp4')
    assert videos.Finder(path).get('a') == str(tmp_path / 'videos/a.mp4')

  @pytest.mark.parametrize('other', ['y/a.mkv', 'y/a.mp4'])
  def test_two_of_one_name_are_named(self, tmp_path, other):
    finder = videos.Finder(_make(tmp_path, 'x/a.mp4', other, 'b.mp4'))
    assert finder.get('b')
    with pytest.raises(ValueError, match=rf"x/a\.mp4 and {other} .* 'a'; keep"):
      finder.get('a')


class TestPlaces:
  def test_at_a_place_with_suffix_or_without(self, tmp_path):
    places = videos.Places(_make(tmp_path, 'x/a.mkv', 'y/b/1.jpg', 'x/c'))
    assert places.get('x/a.mkv') == str(tmp_path / 'x/a.mkv')
    assert places.get('x/a') == places.get('x/a.avi') == places.get('x\\a')
    assert places.get('y/b') == places.get('y/b/') == str(tmp_path / 'y/b')
    assert places.get('x/c') == str(tmp_path / 'x/c')
    assert places.get(str(tmp_path / 'x/a.mkv')) == str(tmp_path / 'x/a.mkv')
    assert places.get('a') is None and places.get('x/c.mp4') is None
    assert places.get('no/such/folder') is None

  def test_in_any_form_of_unicode_also_of_its_folders(self, tmp_path):
    name = unicodedata.normalize('NFD', 'thé/café')
    path = _make(tmp_path, f'{name}.mp4')
    assert videos.Places(path).get('thé/café.mp4') == str(
      tmp_path / f'{name}.mp4'
    )

  def test_a_name_that_is_no_utf8_as_a_text_spells_it(self, tmp_path):
    name = os.fsdecode(b'caf\xe9.mp4')
    path = _make(tmp_path, name)
    assert videos.Places(path).get('café.mp4') == str(tmp_path / name)

  def test_the_first_folder_that_has_it(self, tmp_path):
    _make(tmp_path, 'x/a.mp4', 'y/a.mp4', 'y/b.mp4')
    places = videos.Places(tmp_path / 'no', tmp_path / 'x', tmp_path / 'y')
    assert places.get('a') == str(tmp_path / 'x/a.mp4')
    assert places.get('b') == str(tmp_path / 'y/b.mp4')

  def test_two_of_one_name_are_named(self, tmp_path):
    places = videos.Places(_make(tmp_path, 'a.mp4', 'a.mkv'))
    assert places.get('a.mkv') == str(tmp_path / 'a.mkv')
    with pytest.raises(ValueError, match=r"a\.mkv and .*a\.mp4 .* 'a'; keep"):
      places.get('a')


def test_what_a_folder_of_frames_is_taken_for_is_said(tmp_path):
  assert 'taken for 30 a second' in videos.rate_note(['x'], None, 30.0)[0]
  assert 'taken for 25 a second' in videos.rate_note(['x'], None)[0]
  assert not videos.rate_note(['x'], 12.0) and not videos.rate_note([], None)


def test_an_error_of_a_name_that_is_no_utf8_can_be_written(tmp_path):
  path = tmp_path / os.fsdecode(b'caf\xe9.mp4')
  path.write_bytes(b'no video')
  with pytest.raises(decode.DecodeError) as error:
    frames.open_video(str(path), str(path))
  assert error.value.name == f'{tmp_path}/caf\\xe9.mp4'
