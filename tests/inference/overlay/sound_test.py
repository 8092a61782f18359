"""Sound stays as it is, or is encoded anew, in time with the pictures."""

import av
import numpy as np
import pytest

from launch import films
from vidpetl import mistakes
from vidpetl.inference.overlay import film

RATE = 48000
# Silence, and a tone from second 1 on.
BEEP = "-f lavfi -t 2 -i aevalsrc='gt(t\\,1)*sin(2765*t)':s=48000"
PICTURES = '-f lavfi -t 2 -i testsrc2=s=64x48:r=25'


def stored(path):
  """Returns codec and packets of each sound of a file."""
  with av.open(str(path)) as container:
    found = {
      stream.index: (stream.codec_context.codec.canonical_name, [])
      for stream in container.streams.audio
    }
    for packet in container.demux(*container.streams.audio):
      if packet.size and packet.stream.index in found:
        found[packet.stream.index][1].append(bytes(packet))
  return list(found.values())


def begins(path, sound=0):
  """Returns when a tone begins, in seconds on the file's clock.

  The pictures are read, too: ffmpeg takes the clock of what it reads.
  """
  pcm, _ = films.ffmpeg(
    f'-i {{path}} -map 0:v -f null /dev/null -map 0:a:{sound} '
    '-af aresample=async=1:first_pts=0 -ac 1 '
    f'-ar {RATE} -f s16le -',
    path=path,
  )
  loud = np.abs(np.frombuffer(pcm, np.int16).astype(int)) > 8000
  return loud.argmax() / RATE


def written(path, out):
  assert film.write(path, out, lambda frame, _: frame) == 50
  return out


def beeping(path, coded, late=''):
  films.ffmpeg(
    f'{PICTURES} {late} {BEEP} -c:v mpeg4 {coded} {{path}}', path=path
  )
  return path


@pytest.mark.parametrize('late', ['', '-itsoffset 0.52'])
@pytest.mark.parametrize(
  'suffix, coded, codec',
  [
    ('mp4', '-c:a aac', 'aac'),
    ('ts', '-c:a aac', 'aac'),
    ('mkv', '-c:a libopus', 'opus'),
    ('mkv', '-c:a ac3', 'ac3'),
    ('mp4', '-c:a libmp3lame', 'mp3'),
  ],
)
def test_sound_that_mp4_holds_is_kept_bit_for_bit_and_in_time(
  tmp_path, suffix, coded, codec, late
):
  path = beeping(tmp_path / f'film.{suffix}', coded, late)
  out = written(path, tmp_path / 'out.mp4')
  (name, new), (_, old) = *stored(out), *stored(path)
  assert name == codec
  # In a transport stream each packet of AAC has a header of its own.
  assert new == ([p[7:] for p in old] if suffix == 'ts' else old)
  assert begins(out) == pytest.approx(begins(path), abs=2e-3)
  assert begins(out) == pytest.approx(1.52 if late else 1.0, abs=0.03)


@pytest.mark.parametrize('late', ['', '-itsoffset 0.52'])
@pytest.mark.parametrize(
  'suffix, coded',
  [
    ('mkv', '-c:a pcm_s16le'),
    ('mkv', '-c:a libvorbis'),
    ('avi', '-c:a pcm_s16le -ar 8000'),
    ('mpg', '-c:v mpeg2video -c:a mp2 -ac 2'),
    ('wmv', '-c:v wmv2 -c:a wmav2'),
  ],
)
def test_other_sound_becomes_aac_in_time(tmp_path, suffix, coded, late):
  path = beeping(tmp_path / f'film.{suffix}', coded, late)
  out = written(path, tmp_path / 'out.mp4')
  assert [codec for codec, _ in stored(out)] == ['aac']
  assert begins(out) == pytest.approx(begins(path), abs=5e-3)


@pytest.mark.parametrize('coded', ['-c:a pcm_s16le', '-c:a aac'])
def test_sound_that_begins_before_the_pictures_does_so_still(tmp_path, coded):
  path, out = tmp_path / 'film.mkv', tmp_path / 'out.mp4'
  films.ffmpeg(
    f'-itsoffset 0.6 {PICTURES} {BEEP} -c:v mpeg4 {coded} {{path}}', path=path
  )
  times = []
  film.write(path, out, lambda frame, t: times.append(t) or frame)
  assert times[:2] == pytest.approx([0.6, 0.64], abs=2e-3)
  assert begins(out) == pytest.approx(1.0, abs=0.03)
  with av.open(str(out)) as container:
    shown = [frame.time for frame in container.decode(video=0)]
  # The first picture stands still until then.
  assert shown[0] == 0
  np.testing.assert_allclose(shown[1:], times[1:], atol=2e-3)


def test_all_sounds_of_a_film_are_kept(tmp_path):
  path = tmp_path / 'film.mkv'
  films.ffmpeg(
    f'{PICTURES} {BEEP} -itsoffset 0.2 {BEEP} -map 0 -map 1 -map 2 -c:v mpeg4 '
    '-c:a:0 aac -c:a:1 pcm_s16le {path}',
    path=path,
  )
  out = written(path, tmp_path / 'out.mp4')
  assert [codec for codec, _ in stored(out)] == ['aac', 'aac']
  assert stored(out)[0] == stored(path)[0]
  assert begins(out, 0) == pytest.approx(1.0, abs=0.03)
  assert begins(out, 1) == pytest.approx(1.2, abs=0.03)


def test_sound_goes_on_where_the_clock_of_a_film_jumps(tmp_path):
  path = beeping(tmp_path / 'one.ts', '-c:a aac')
  path.write_bytes(2 * path.read_bytes())
  out = tmp_path / 'out.mp4'
  assert film.write(path, out, lambda frame, _: frame) == 100
  with av.open(str(out)) as container:
    sound, pictures = container.streams.audio[0], container.streams.video[0]
    last = lambda s: float(s.duration * s.time_base)
    assert last(sound) == pytest.approx(last(pictures), abs=0.1)


@pytest.mark.parametrize(
  'suffix, coded, codec',
  [
    ('webm', '-c:a libopus', 'opus'),
    ('webm', '-c:a aac', 'opus'),
    ('mkv', '-c:a pcm_s16le', 'pcm_s16le'),
    ('mov', '-c:a pcm_s16le', 'pcm_s16le'),
  ],
)
def test_each_container_keeps_what_it_holds(tmp_path, suffix, coded, codec):
  path = beeping(tmp_path / 'film.mkv', coded)
  out = written(path, tmp_path / f'out.{suffix}')
  assert [name for name, _ in stored(out)] == [codec]
  assert begins(out) == pytest.approx(begins(path), abs=0.03)


def test_sound_of_an_unknown_codec_is_left_out_and_told(tmp_path):
  path = beeping(tmp_path / 'film.mkv', '-c:a aac')
  path.write_bytes(path.read_bytes().replace(b'A_AAC', b'A_XYZ'))
  with pytest.warns(mistakes.Note, match='film.mkv: sound of a codec'):
    out = written(path, tmp_path / 'out.mp4')
  assert stored(out) == []


def test_damaged_sound_costs_no_pictures_and_is_told(tmp_path):
  whole = beeping(tmp_path / 'film.mkv', '-c:a libvorbis')
  path = tmp_path / 'damaged.mkv'
  with av.open(str(whole)) as read, av.open(str(path), 'w') as write:
    new = [write.add_stream_from_template(s) for s in read.streams]
    for number, packet in enumerate(read.demux()):
      if not packet.size:
        continue
      at = packet.pts, packet.dts, packet.time_base
      if packet.stream.type == 'audio' and number % 20 == 0:
        index = packet.stream.index
        packet = av.Packet(b'\xff' * 40)
        packet.pts, packet.dts, packet.time_base = at
        packet.stream = new[index]
      else:
        packet.stream = new[packet.stream.index]
      write.mux(packet)
  with pytest.warns(mistakes.Note, match='damaged.mkv: damaged sound'):
    out = written(path, tmp_path / 'out.mp4')
  assert begins(out) == pytest.approx(1.0, abs=0.03)


def test_sound_whose_channels_change_goes_on(tmp_path):
  mono = beeping(tmp_path / 'mono.mpg', '-c:v mpeg2video -c:a mp2 -ac 1')
  path = beeping(tmp_path / 'film.mpg', '-c:v mpeg2video -c:a mp2 -ac 2')
  path.write_bytes(path.read_bytes() + mono.read_bytes())
  out = tmp_path / 'out.mp4'
  assert film.write(path, out, lambda frame, _: frame) == 100
  with av.open(str(out)) as container:
    sound = container.streams.audio[0]
    assert sound.duration * sound.time_base == pytest.approx(4, abs=0.15)
