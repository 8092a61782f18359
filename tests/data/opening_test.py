import contextlib
import os
import socket
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from vidpetl import bounds
from vidpetl.data import decode, frames, opening
from vidpetl.data.annotations import labelmap, pickled, text
from vidpetl.data.importers import classes, elements
from vidpetl.experiment import spec
from vidpetl.experiment.peft import reading
from vidpetl.parameters import package, storage
from vidpetl.weights import files, folders

# What reads a file of a user's, by a name that the file may have.
OPENERS = {
  'film.mp4': frames.open_video,
  'img_1.jpg': lambda path: frames.open_video(os.path.dirname(path)).read(
    np.zeros(1), (8, 8)
  ),
  'table.csv': lambda path: list(text.read_table(path, ['path'])),
  'rows.csv': lambda path: list(text.read_rows(path, (2,), 'two')),
  'list.txt': text.read,
  'map.json': lambda path: text.read_json(path, dict, 'a map'),
  'map.pbtxt': labelmap.read,
  'names.yaml': classes.read,
  'boxes.xml': lambda path: list(elements.read(path, {'box'})),
  'scores.pkl': lambda path: pickled.read(path, dict, 'scores'),
  'w.safetensors': files.read,
  'w.pth': files.read,
  'w.npz': files.read,
  'w.index.json': lambda path: folders.resolve(path, lambda _: True),
  'arrays.safetensors': storage.load_arrays,
  'model.json': lambda path: spec.read(os.path.dirname(path)),
  'adapter_config.json': lambda path: reading.read_config(
    os.path.dirname(path), 2
  ),
  'config.json': opening.read_json,
}


def pipe(path):
  os.mkfifo(path)


def device(path):
  os.symlink('/dev/zero', path)


def loop(path):
  os.symlink(path, path)


def sockets(path):
  with contextlib.closing(socket.socket(socket.AF_UNIX)) as server:
    server.bind(os.path.relpath(path))


@pytest.mark.parametrize('name', OPENERS)
@pytest.mark.parametrize('make', [pipe, device, loop, sockets])
def test_what_is_no_file_is_refused_by_its_path(
  tmp_path, monkeypatch, name, make
):
  monkeypatch.chdir(tmp_path)  # A socket's path is short.
  path = tmp_path / name
  make(str(path))
  with pytest.raises(
    (OSError, ValueError, decode.DecodeError), match=f'{name}'
  ):
    OPENERS[name](str(path))


def test_a_package_is_no_pipe(tmp_path):
  os.mkfifo(tmp_path / package.CONFIG)
  (tmp_path / package.MODEL).touch()
  with pytest.raises(opening.NoFileError, match=package.CONFIG):
    package.load(tmp_path)


def test_a_link_to_a_file_is_a_file(tmp_path):
  (tmp_path / 'a.json').write_text('{"a": 1}')
  (tmp_path / 'b.json').symlink_to(tmp_path / 'a.json')
  assert opening.read_json(tmp_path / 'b.json') == {'a': 1}


@pytest.mark.parametrize(
  'content',
  [b'{"a": 1', b'\xff{}', b'[1]', b'[' * 200_000, b''],
  ids=['cut', 'no UTF-8', 'list', 'nested', 'empty'],
)
def test_settings_that_are_no_json_are_refused_by_their_path(tmp_path, content):
  path = tmp_path / 'config.json'
  path.write_bytes(content)
  with pytest.raises(opening.ContentError, match=r'config\.json'):
    opening.read_json(path)


@pytest.mark.parametrize('name', ['map.json', 'map.pbtxt', 'boxes.xml'])
def test_what_is_nested_without_end_is_refused(tmp_path, name):
  path = tmp_path / name
  opened = {'boxes.xml': '<box>', 'map.pbtxt': 'a { '}.get(name, '[')
  path.write_text(opened * 20_000)
  with pytest.raises(text.AnnotationError, match=name):
    OPENERS[name](str(path))


def limited(monkeypatch, words):
  monkeypatch.setenv(bounds.VARIABLE, words)


def test_a_larger_text_than_the_bound_is_refused_unread(tmp_path, monkeypatch):
  limited(monkeypatch, 'text=1000')
  path = tmp_path / 'table.csv'
  path.write_text('path\n' + 'a.mp4\n' * 1000)
  with pytest.raises(bounds.BoundError, match=r'table.csv.*--limits=text=6005'):
    list(text.read_table(path, ['path']))


def test_a_line_without_end_is_refused(tmp_path, monkeypatch):
  limited(monkeypatch, 'line=1000')
  path = tmp_path / 'table.csv'
  path.write_text('path\n' + 'a' * 5000)
  with pytest.raises(bounds.BoundError, match=r'table.csv.*--limits=line='):
    list(text.read_table(path, ['path']))


def test_a_sheet_that_unpacks_to_more_than_the_bound_is_refused(
  tmp_path, monkeypatch
):
  limited(monkeypatch, 'text=100000')
  path = tmp_path / 'table.xlsx'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
    archive.writestr('xl/worksheets/sheet1.xml', b' ' * 1_000_000)
  with pytest.raises(text.AnnotationError, match=r'table.xlsx.*--limits=text='):
    list(text.read_table(path, ['path']))


@pytest.mark.parametrize('suffix', ['png', 'jpg', 'webp', 'tif'])
def test_a_larger_picture_than_the_bound_is_not_decoded(
  tmp_path, monkeypatch, suffix
):
  limited(monkeypatch, 'pixels=1000')
  Image.new('RGB', (40, 30)).save(tmp_path / f'img_1.{suffix}')
  with pytest.raises(
    decode.DecodeError, match=rf'img_1.{suffix}.*--limits=pixels='
  ):
    OPENERS['img_1.jpg'](str(tmp_path / 'any'))


def test_a_film_of_larger_frames_than_the_bound_is_refused(
  tmp_path, monkeypatch, write_video
):
  path = write_video(tmp_path / 'film.mp4', frames=4)
  limited(monkeypatch, 'pixels=3071')
  with pytest.raises(
    decode.DecodeError, match=r'film.mp4.* 64x48 pixels.*--limits=pixels=3072'
  ):
    frames.open_video(path)
  limited(monkeypatch, 'pixels=3072')
  frames.open_video(path).close()


def test_a_film_that_claims_to_last_longer_than_the_bound_is_refused(
  tmp_path, write_video, monkeypatch
):
  limited(monkeypatch, 'hours=1')
  path = write_video(tmp_path / 'film.mp4', frames=2, fps=1, pts=[0, 7200])
  with pytest.raises(decode.DecodeError, match=r'2 hours.*--limits=hours=2'):
    frames.open_video(path)


def _claiming(content, count):
  """Returns an mp4 whose tables claim so many samples of a byte each."""
  content = bytearray(content)
  for table, at in (('stsz', 12), ('stsc', 16), ('stts', 12)):
    place = content.index(table.encode()) + at
    content[place : place + 4] = struct.pack('>I', count)
  place = content.index(b'stsz') + 8
  content[place : place + 4] = struct.pack('>I', 1)
  return bytes(content)


def test_a_film_that_claims_more_frames_than_it_has_bytes_is_refused(
  tmp_path, write_video
):
  path = tmp_path / 'film.mp4'
  write_video(path, frames=4)
  path.write_bytes(_claiming(path.read_bytes(), 1_000_000))
  with pytest.raises(decode.DecodeError, match='claims 1,000,000 samples'):
    frames.open_video(str(path))


def test_a_fragment_that_claims_more_frames_than_bytes_is_refused(
  tmp_path, write_video
):
  path = tmp_path / 'film.mp4'
  write_video(path, frames=4, movflags='frag_keyframe+empty_moov')
  content = bytearray(path.read_bytes())
  frames.open_video(str(path)).close()
  place = content.index(b'trun') + 8
  content[place : place + 4] = struct.pack('>I', 1_000_000)
  path.write_bytes(bytes(content))
  with pytest.raises(decode.DecodeError, match='claims 1,000,000 samples'):
    frames.open_video(str(path))


@pytest.mark.parametrize(
  'content',
  [
    'ffconcat version 1.0\nfile film.mp4\n',
    '#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfilm.mp4\n#EXT-X-ENDLIST\n',
  ],
  ids=['ffconcat', 'm3u8'],
)
def test_a_list_of_films_opens_none_of_them(tmp_path, content, write_video):
  write_video(tmp_path / 'film.mp4', frames=4)
  path = tmp_path / 'list.mp4'
  path.write_text(content)
  with pytest.raises(decode.DecodeError, match=r'is a list of other|no video'):
    frames.open_video(str(path))


def test_bounds_are_given_by_name_and_hold_in_processes_to_come(monkeypatch):
  monkeypatch.setenv(bounds.VARIABLE, '')
  bounds.use('pixels=12,hours=3')
  assert bounds.current() == bounds.Bounds(pixels=12, hours=3)
  assert os.environ[bounds.VARIABLE] == 'pixels=12,hours=3'


@pytest.mark.parametrize('words', ['pixel=3', 'pixels', 'pixels=0', 'line=1.5'])
def test_a_bound_that_is_none_is_refused(words):
  with pytest.raises(ValueError, match='--limits'):
    bounds.use(words)
