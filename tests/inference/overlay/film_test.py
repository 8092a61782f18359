"""Films are written anew with painted frames, their times and their sound."""

import pathlib

import av
import numpy as np
import pytest

from launch import films
from vidpetl.data import decode
from vidpetl.inference.overlay import film

SAME = lambda frame, seconds: frame
FULL = lambda height, width: (height, width)


def drawn(folder, container, codec, structure=''):
  return films.draw(films.Film(container, codec, structure), folder)


def frames_of(path):
  """Returns the second and the shown pixels of each frame."""
  found = []
  with decode.Video(str(path)) as video:
    times = [video.time_of(frame) for frame in video.frames_from(0.0)]
    # In the middle of each, as timestamps may be rounded.
    middles = np.array(times) + np.diff([*times, times[-1] + 0.02]) / 2
    found = video.read(middles, FULL)
  return np.array(times), found


def assert_alike(some, other):
  assert some.shape == other.shape
  assert np.abs(some.astype(int) - other).mean() < 2


@pytest.mark.parametrize(
  'container, codec, structure',
  [
    ('mp4', 'h264', 'rotated'),
    ('mp4', 'h264', 'rotated, mirrored'),
    ('mp4', 'h264', 'wide pixels'),
    ('mp4', 'h264 4:4:4', 'odd size'),
    ('mp4', 'h264 B', 'uneven'),
    ('webm', 'vp9', 'no frame rate, uneven'),
    ('avi', 'mpeg4 B', ''),
    ('ts', 'h264', 'two in one'),
  ],
)
def test_frames_and_their_times_are_those_of_the_film(
  tmp_path, container, codec, structure
):
  path = drawn(tmp_path, container, codec, structure)
  out = tmp_path / 'out.mp4'
  seen = []
  count = film.write(path, out, lambda f, t: seen.append((t, f.copy())) or f)
  times, shown = frames_of(path)
  assert count == len(times) == len(seen)
  np.testing.assert_allclose([t for t, _ in seen], times, atol=1e-6)
  assert_alike(np.stack([f for _, f in seen]), shown)
  new_times, new = frames_of(out)
  np.testing.assert_allclose(new_times, times, atol=2e-3)
  height, width = shown.shape[1:3]
  assert new.shape[1:3] == (height + height % 2, width + width % 2)
  assert_alike(new[:, :height, :width], shown)


def test_what_is_painted_is_in_the_film(tmp_path):
  def paint(frame, seconds):
    frame[:24, :32] = (0, 0, 200) if seconds < 1 else (200, 0, 0)
    return frame

  out = tmp_path / 'out.mp4'
  film.write(drawn(tmp_path, 'mp4', 'h264'), out, paint)
  before, after = decode.read_frames(str(out), np.array([0.9, 1.05]), FULL)
  assert before[4:20, 4:28].mean((0, 1)) == pytest.approx([0, 0, 200], abs=8)
  assert after[4:20, 4:28].mean((0, 1)) == pytest.approx([200, 0, 0], abs=8)


def test_an_odd_side_ends_in_its_last_column_twice(tmp_path):
  image = np.zeros((45, 61, 3), np.uint8)
  image[:, 60] = 255
  out = tmp_path / 'out.mp4'
  path = drawn(tmp_path, 'mp4', 'h264 4:4:4', 'odd size')
  film.write(path, out, lambda frame, _: image)
  new = decode.read_frames(str(out), np.zeros(1), FULL)[0]
  assert new.shape == (46, 62, 3)
  assert new[5:40, 60:].min() > 200 > 50 > new[5:40, :56].max()


def test_it_plays_in_browsers_before_all_of_it_is_there(tmp_path):
  out = tmp_path / 'new' / 'out.mp4'
  film.write(drawn(tmp_path, 'mp4', 'h264 10 bit'), out, SAME)
  content = out.read_bytes()
  assert content.index(b'moov') < content.index(b'mdat')
  with av.open(str(out)) as container:
    context = container.streams.video[0].codec_context
    assert (context.name, context.pix_fmt) == ('h264', 'yuv420p')
    assert not container.streams.audio


@pytest.mark.parametrize(
  'tags', ['', '-colorspace bt709', '-colorspace bt470bg']
)
def test_colours_stay_in_a_film_of_any_matrix(tmp_path, tags):
  path, out = tmp_path / 'film.mp4', tmp_path / 'out.mp4'
  source = '-f lavfi -i smptebars=s=64x48:d=0.4'
  films.ffmpeg(f'{source} {tags} -pix_fmt yuv420p -crf 5 {{path}}', path=path)
  film.write(path, out, SAME)
  planes = []
  for each in (path, out):
    # As stored, so that no matrix has a say.
    pixels, said = films.ffmpeg(
      '-i {path} -frames:v 1 -f rawvideo -pix_fmt yuv420p -', path=each
    )
    planes.append(np.frombuffer(pixels, np.uint8).astype(int))
    assert ('bt709' in said) == ('bt709' in tags)
  assert np.abs(planes[0] - planes[1]).mean() < 2


@pytest.mark.parametrize('suffix', ['mov', 'mkv', 'webm'])
def test_other_containers_hold_the_same(tmp_path, suffix):
  path = drawn(tmp_path, 'mp4', 'h264 B', 'uneven')
  out = tmp_path / f'out.{suffix}'
  film.write(path, out, SAME)
  np.testing.assert_allclose(frames_of(out)[0], frames_of(path)[0], atol=2e-3)
  assert_alike(frames_of(out)[1], frames_of(path)[1])


def test_a_folder_of_frames_becomes_a_film(tmp_path):
  folder = tmp_path / 'frames'
  folder.mkdir()
  path = drawn(tmp_path, 'mp4', 'h264')
  files = str(folder / 'f_%03d.png')
  films.ffmpeg('-i {path} -frames:v 8 {files}', path=path, files=files)
  out = tmp_path / 'out.mp4'
  times = []
  assert film.write(folder, out, lambda f, t: times.append(t) or f, 5.0) == 8
  np.testing.assert_allclose(times, np.arange(8) / 5)
  with decode.Video(str(out)) as video:
    assert video.duration == pytest.approx(1.6)


def left(folder):
  return sorted(path.name for path in pathlib.Path(folder).iterdir())


def test_a_damaged_film_is_named_and_leaves_no_file(tmp_path):
  path = drawn(tmp_path, 'mkv', 'h264 B')
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
  before = left(tmp_path)
  with pytest.raises(decode.DecodeError, match=path.name):
    film.write(path, tmp_path / 'out.mp4', SAME)
  assert left(tmp_path) == before


def test_a_file_of_before_stays_until_the_new_one_is_whole(tmp_path):
  path, out = drawn(tmp_path, 'mp4', 'h264'), tmp_path / 'out.mp4'
  out.write_bytes(b'of before')
  before = left(tmp_path)

  def fail(frame, seconds):
    assert out.read_bytes() == b'of before'
    if seconds > 1:
      raise RuntimeError('stop')
    return frame

  with pytest.raises(RuntimeError, match='stop'):
    film.write(path, out, fail)
  assert out.read_bytes() == b'of before' and left(tmp_path) == before


@pytest.mark.parametrize('name', ['out.avi', 'out', 'out.png'])
def test_other_files_are_refused_by_the_name_of_those_there_are(tmp_path, name):
  path = drawn(tmp_path, 'mp4', 'h264')
  with pytest.raises(ValueError, match=r'\.mp4 \.mov \.mkv \.webm'):
    film.write(path, tmp_path / name, SAME)


def test_a_film_is_not_written_over_itself(tmp_path):
  path = drawn(tmp_path, 'mp4', 'h264')
  content = path.read_bytes()
  with pytest.raises(ValueError, match='is the film itself'):
    film.write(path, path, SAME)
  assert path.read_bytes() == content
