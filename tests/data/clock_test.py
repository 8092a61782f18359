"""Second 0 is where the file begins, and every time has one picture."""

import fractions
import os

import av
import numpy as np
import pytest

from launch import films
from vidpetl.data import clock, decode, packets, streams, transcode

_FAST = transcode.Options(crf=12, preset='ultrafast')
_SIZE = films.HEIGHT, films.WIDTH
_RAW = '-f rawvideo -pix_fmt rgb24 -s 64x48 -r 25 -i {frames}'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('clock')


@pytest.fixture(scope='module')
def draw(folder):
  """Returns a function that draws a film, and returns its path."""

  def write(container, codec, structure='', count=films.FRAMES):
    film = films.Film(container, codec, structure)
    return str(films.draw(film, folder, count))

  return write


@pytest.fixture(scope='module')
def encode(folder):
  """Returns a function that encodes the numbered frames as ffmpeg is told."""
  frames = folder / 'frames.rgb'
  numbers = range(films.FRAMES)
  frames.write_bytes(np.stack([*map(films.numbered, numbers)]).tobytes())

  def write(name, arguments):
    path = folder / name
    films.ffmpeg(f'{_RAW} {arguments} {{path}}', frames=frames, path=path)
    return str(path)

  return write


@pytest.fixture
def shown(read_codes):
  """Returns a function from a video and times to the numbers shown."""

  def read(video, times):
    times = np.asarray(times, float)
    return read_codes(decode.read_frames(video, times, _SIZE)).tolist()

  return read


def middles(count):
  return (np.arange(count) + 0.5) / films.FPS


def both(path):
  """Returns a file, and what is prepared of it."""
  return path, transcode.transcode(path, _FAST)


def test_pictures_that_begin_after_the_sound_are_shown_late(draw, shown):
  path = draw('mp4', 'h264 B', 'sound, pictures late')
  for video in both(path):
    numbers = shown(video, [0, 1, 1.29, 1.33, 1.35, 2.32, 3.68])
    assert numbers == [0, 0, 0, 0, 1, 25, 59]
    assert decode.probe(video).duration == pytest.approx(3.7, abs=0.01)
  cut = transcode.transcode(path, _FAST, 1.0, 2.0)
  assert shown(cut, [0, 0.29, 0.35, 0.99]) == [0, 0, 1, 17]
  assert decode.probe(cut).duration == pytest.approx(1.0, abs=0.01)


def test_a_file_that_begins_late_as_a_whole_begins_at_0(draw, shown):
  for structure in ('starts at an hour', 'clock wraps'):
    path = draw('ts', 'h264 B', structure)
    assert shown(path, middles(60)) == list(range(60))


@pytest.mark.parametrize(
  'container, codec', [('ts', 'h264'), ('ts', 'hevc B'), ('mpg', 'mpeg2 B')]
)
def test_a_clock_that_restarts_goes_on(draw, shown, container, codec):
  path = draw(container, codec, 'two in one')
  assert decode.probe(path).duration == pytest.approx(4.8, abs=0.01)
  truth = [*range(60), *range(60)]
  for video in both(path):
    assert shown(video, middles(120)) == truth
  for k in (3, 58, 61, 87, 119):
    assert shown(path, middles(120)[[k]]) == [truth[k]]
  cut = transcode.transcode(path, _FAST, 2.0, 3.0)
  assert shown(cut, middles(25)) == truth[50:75]


def test_a_clock_that_restarts_in_a_large_file_is_found(
  draw, shown, monkeypatch
):
  path = draw('ts', 'h264', 'two in one')
  monkeypatch.setattr(clock, '_SMALL', 0)
  assert shown(path, [0.02, 3.02]) == [0, 15]
  assert shown(draw('ts', 'h264'), [0.02, 2.02]) == [0, 50]


def test_a_restart_that_was_not_looked_for_is_found_when_read(
  draw, shown, monkeypatch
):
  path = draw('ts', 'h264', 'two in one')
  monkeypatch.setattr(clock, '_jumps', lambda stream: False)
  assert shown(path, [2.0, 3.02]) == [50, 15]
  assert decode.probe(transcode.transcode(path, _FAST)).frames == 120


def test_a_jump_ahead_is_no_gap(encode, shown):
  # ffmpeg's own rule: what is 10 s off follows the last picture.
  path = encode(
    'jump.ts',
    '-vf "settb=1/1000,setpts=\'40*(N+if(gte(N,30),750,0))\'" -bf 0 '
    '-fps_mode passthrough -enc_time_base 1/1000 -c:v libx264 -g 30',
  )
  assert shown(path, middles(60)) == list(range(60))
  assert decode.probe(path).duration == pytest.approx(2.4, abs=0.05)


def test_negative_times_count(encode, shown):
  path = encode(
    'negative.mkv',
    '-c:v libx264 -bf 2 -output_ts_offset -0.5 -avoid_negative_ts 0',
  )
  for video in both(path):
    assert shown(video, middles(60)) == list(range(60))
    assert decode.probe(video).duration == pytest.approx(2.4, abs=0.01)
  assert shown(path, [1.02]) == [25]


def test_what_is_read_of_a_program_stream_depends_on_the_time_alone(
  draw, shown
):
  path = draw('mpg', 'mpeg2 BBB', count=250)
  assert shown(path, middles(250)) == list(range(250))
  for k in range(0, 250, 17):
    assert shown(path, middles(250)[[k]]) == [k]
  assert shown(transcode.transcode(path, _FAST), middles(250)) == list(
    range(250)
  )


def test_pictures_are_dated_by_number_where_ffmpeg_guesses_wrongly(draw):
  path = draw('mpg', 'mpeg2 BBB', count=250)
  with decode.Video(path) as video:
    times = [video.time_of(frame) for frame in video.frames_from(0)]
  np.testing.assert_allclose(times, np.arange(250) / 25, atol=1e-4)


def test_pictures_of_one_part_are_decoded_after_a_seek_that_lies(
  draw, monkeypatch
):
  path = draw('mpg', 'mpeg2 B', count=250)
  decoded = []
  in_order = decode.timestamps.in_order
  monkeypatch.setattr(
    decode.timestamps,
    'in_order',
    lambda frames: (decoded.append(f) or f for f in in_order(frames)),
  )
  decode.read_frames(path, np.array([8.02]), _SIZE)
  assert len(decoded) < 30


@pytest.mark.parametrize('codec', ['h264 B', 'mpeg4 B', 'xvid B'])
def test_an_avi_begins_with_its_first_picture(draw, shown, codec):
  path = draw('avi', codec)
  assert shown(path, [0, 0.02]) == [0, 0]
  if codec != 'xvid B':
    assert shown(path, middles(60)) == list(range(60))


@pytest.mark.parametrize('codec', ['h264 B pyramid', 'mpeg4 B', 'xvid B'])
def test_every_time_of_an_avi_has_one_picture(draw, shown, codec):
  path = draw('avi', codec)
  numbers = shown(path, middles(60))
  for k in range(0, 60):
    assert shown(path, middles(60)[[k]]) == [numbers[k]]


def test_an_avi_whose_pictures_begin_late_shows_them_late(encode, shown):
  # Such a file begins with packets without pictures.
  film = encode('plain.mp4', '-c:v mpeg4 -bf 2 -q 2')
  path = film.replace('plain.mp4', 'late.avi')
  films.ffmpeg(
    '-itsoffset 0.4 -i {film} -f lavfi -t 3 -i sine -map 0 -map 1 -c:v copy '
    '{path}',
    film=film,
    path=path,
  )
  times = np.arange(60) / 25 + 0.42
  for video in both(path):
    numbers = np.array(shown(video, [0, 0.3, *times]))
    assert numbers[:2].tolist() == [0, 0]
    assert np.abs(numbers[2:] - np.arange(60)).max() <= 1


def test_packets_without_pictures_at_the_end_are_no_damage(draw, shown):
  path = draw('avi', 'xvid B', 'sound')
  with decode.Video(path) as video:
    ends = [video.duration - 1e-3, video.duration]
  assert shown(path, ends) == [59, 59]
  assert shown(transcode.transcode(path, _FAST), ends) == [59, 59]


def test_empty_packets_hold_the_picture_before(encode, shown):
  # Recorders of screens leave out what did not change.
  still = 'loop=loop=2:size=1:start=9,setpts=N/25/TB'
  path = encode('still.ogv', f'-vf {still} -c:v libtheora -q 8 -g 12')
  with av.open(path) as file:
    empty = [p.pts for p in file.demux(video=0) if not p.size]
  assert len(empty) == 3  # two, and the end
  held = [*range(9), 8, 8, *range(9, 60)]
  for video in both(path):
    assert shown(video, middles(62)) == held
  assert shown(path, middles(62)[[10]]) == [8]


def test_misordered_timestamps_are_put_in_order(draw, shown):
  path = draw('mxf', 'h264 B')
  for video in both(path):
    assert shown(video, middles(60)) == list(range(60))
  for k in (7, 31, 58):
    assert shown(path, middles(60)[[k]]) == [k]


def test_misordered_timestamps_are_found_when_read(draw, shown, monkeypatch):
  path = draw('mxf', 'h264 B')
  monkeypatch.setattr(clock, '_misdated', lambda stream: False)
  monkeypatch.setattr(streams, '_SEEKABLE', {'mxf'})
  assert shown(path, middles(60)) == list(range(60))
  prepared = transcode.transcode(path, _FAST)
  assert shown(prepared, middles(60)) == list(range(60))


def test_a_last_picture_is_held(encode, shown):
  path = encode('held.gif', '-final_delay 279')
  for video in both(path):
    assert decode.probe(video).duration == pytest.approx(5.15, abs=0.011)
    assert shown(video, [2.3, 2.5, 5.1]) == [57, 59, 59]
  cut = transcode.transcode(path, _FAST, 2.0, 4.0)
  assert decode.probe(cut).duration == pytest.approx(2.0, abs=0.011)


@pytest.mark.parametrize('suffix', ['mp4', 'webm', 'mkv'])
def test_prepared_videos_end_as_their_files_do(write_video, tmp_path, suffix):
  codec = 'libvpx-vp9' if suffix == 'webm' else 'mpeg4'
  pts = [*range(20), 24, 40]
  path = write_video(
    tmp_path / f'x.{suffix}', codec, frames=22, pts=pts, b_frames=0
  )
  raw, prepared = (decode.probe(video).duration for video in both(path))
  assert prepared == pytest.approx(raw, abs=2e-3)


@pytest.mark.parametrize('suffix', ['h264', 'hevc', 'm2v', 'mjpeg'])
def test_a_bare_stream_is_refused_with_the_cure(encode, suffix):
  path = encode(f'camera.{suffix}', '')
  for read in (decode.probe, lambda p: transcode.transcode(p, _FAST)):
    with pytest.raises(decode.DecodeError, match='without timestamps') as error:
      read(path)
    assert error.value.name == path
    assert 'ffmpeg' in str(error.value) and '-c copy' in str(error.value)


def test_a_name_that_is_not_utf8_is_read_and_printed(write_video, tmp_path):
  path = os.fsdecode(os.path.join(os.fsencode(tmp_path), b'caf\xe9.mp4'))
  os.rename(write_video(tmp_path / 'x.mp4', frames=5), path)
  assert decode.probe(path).frames == 5
  assert transcode.transcode(path, _FAST)
  os.truncate(path, 100)
  with pytest.raises(decode.DecodeError) as error:
    decode.probe(path)
  assert r'caf\xe9.mp4' in str(error.value)
  str(error.value).encode()


@pytest.mark.parametrize('file', ['x.mp4', 'x.ts', 'x.mpg', 'x.webm'])
def test_a_video_in_memory_has_the_clock_of_its_file(encode, shown, file):
  path = encode(file, '')
  with open(path, 'rb') as opened:
    content = opened.read()
  assert decode.probe(content) == decode.probe(path)
  assert shown(content, middles(60)) == shown(path, middles(60))


def test_no_seek_is_needed_for_the_clock_of_an_indexed_file(
  write_video, tmp_path, monkeypatch
):
  path = write_video(tmp_path / 'x.mp4')
  monkeypatch.setattr(streams.Stream, 'packets', None)
  with decode.Video(path) as video:
    assert (video.fps, video.frames) == (15, 60)


def test_sound_alone_is_no_video(tmp_path):
  path = str(tmp_path / 'sound.m4a')
  with av.open(path, 'w', format='mp4') as container:
    sound = container.add_stream('aac', rate=48000)
    frame = av.AudioFrame.from_ndarray(
      np.zeros((1, 2048), np.int16), format='s16', layout='stereo'
    )
    frame.sample_rate = 48000
    container.mux(sound.encode(frame))
    container.mux(sound.encode())
  with pytest.raises(decode.DecodeError, match='has no video stream'):
    decode.probe(path)


def _picture(number, place, stated, duration=3600):
  """Returns a packet of MPEG-2 that says its place, modulo 1024."""
  place %= 1024
  header = bytes([place >> 2, (place & 3) << 6])
  start = b'\0\0\1\xb8----' if number == 0 else b''
  packet = av.Packet(start + b'\0\0\1\0' + header)
  packet.time_base = fractions.Fraction(1, 90000)
  packet.duration, packet.dts = duration, stated
  return packet


def test_numbers_of_pictures_begin_anew_after_1023():
  counter, dated = packets._Counted(), []
  for number in range(2100):  # I P B B P B B ...
    place = 0 if number == 0 else number + (2 if number % 3 == 1 else -1)
    # Some are guessed wrongly, by two pictures.
    packet = _picture(number, place, 3600 * (number + 2 * (number % 7 == 3)))
    counter.date(packet)
    dated.append((place, packet.pts))
  assert [pts for _, pts in sorted(dated)] == [
    3600 * place for place, _ in sorted(dated)
  ]


def test_pictures_behind_a_gap_are_dated_behind_it():
  counter = packets._Counted()
  for number in range(20):
    packet = _picture(number, number, 3600 * number + 90000 * (number >= 10))
    counter.date(packet)
    assert packet.pts == 3600 * number + 90000 * (number >= 10)
