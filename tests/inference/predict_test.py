"""The command that answers films, as a user calls it."""

import csv
import pathlib
import subprocess
import sys
import types

import numpy as np
import PIL.Image
import pytest

import vidpetl
from vidpetl import mistakes, predict
from vidpetl.data import decode
from vidpetl.inference import films, models, overlaying
from vidpetl.inference.overlay import film as film_lib


@pytest.fixture(scope='module')
def model():
  return vidpetl.load('demo:clips')


def rows(path):
  with path.open(newline='') as file:
    return list(csv.DictReader(file))


def test_the_command_answers_the_film_that_comes_along(tmp_path):
  command = [sys.executable, '-m', 'vidpetl.predict', '--run=demo:clips']
  out = subprocess.run(
    [*command, 'demo:clips', f'--out={tmp_path}', '--window=3'],
    capture_output=True,
    text=True,
  )
  assert out.returncode == 0, out.stderr
  assert '1 film of' in out.stdout
  assert len(rows(tmp_path / 'windows.csv')) > 1


def test_what_an_earlier_call_could_not_read_is_forgotten(model, tmp_path):
  film, broken = models.find('demo:clips', models.FILM), tmp_path / 'x.mp4'
  broken.write_bytes(b'no film')
  for listed, failures in (([str(broken), film], 1), ([film], 0)):
    predict.answer(model, listed, 'hmdb51', {}, str(tmp_path / 'out'), None)
    found = tmp_path / 'out' / 'unreadable.csv'
    assert (len(rows(found)) if found.exists() else 0) == failures


def test_tables_of_an_earlier_call_do_not_lie_beside_other_answers(
  model, tmp_path
):
  film, broken = models.find('demo:clips', models.FILM), tmp_path / 'x.mp4'
  broken.write_bytes(b'no film')
  out = tmp_path / 'out'
  out.mkdir()
  (out / 'detections.csv').write_text('of another call')
  (out / 'mine.csv').write_text('of the user')
  predict.answer(model, [str(broken)], 'hmdb51', {}, str(out), None)
  assert (out / 'detections.csv').exists()  # Nothing took its place.
  predict.answer(model, [film], 'hmdb51', {}, str(out), None)
  found = {path.name for path in out.iterdir()}
  assert found == {'answers.json', 'videos.csv', 'windows.csv', 'mine.csv'}


def test_a_film_that_cannot_be_drawn_is_named_and_the_rest_goes_on(
  model, tmp_path, monkeypatch
):
  film = models.find('demo:clips', models.FILM)
  damaged = tmp_path / 'damaged.mp4'
  damaged.write_bytes(pathlib.Path(film).read_bytes())
  written = []

  def write(source, out, painter, fps=None):
    written.append(source)
    if source == str(damaged):
      raise decode.DecodeError(source, 'damaged at 3 s')
    return 1

  monkeypatch.setattr(film_lib, 'write', write)
  listed = [str(damaged), film]
  places = overlaying.Places(str(tmp_path / 'drawn'), listed)
  out = tmp_path / 'out'
  assert predict.answer(model, listed, 'hmdb51', {}, str(out), places) == 1
  assert written == listed
  assert [row['film'] for row in rows(out / 'unreadable.csv')] == [str(damaged)]
  # What was said of it is not lost.
  assert len(rows(out / 'videos.csv')) == 2


@pytest.fixture
def folder(tmp_path):
  folder = tmp_path / 'frames'
  folder.mkdir()
  for i in range(12):
    picture = np.full((48, 64, 3), 20 * i, np.uint8)
    PIL.Image.fromarray(picture).save(folder / f'{i:03d}.png')
  return folder


def test_an_answer_says_which_pictures_were_damaged(model, folder):
  assert 'damaged' not in model(str(folder)).to_json()
  for i in range(6, 12):
    (folder / f'{i:03d}.png').write_bytes(b'no picture')
  with pytest.warns(mistakes.Note, match=r'\d\.png: is no picture'):
    answer = model(str(folder))
  fps = model.program().info.fps
  said = answer.to_json()['damaged']
  assert said and min(said) >= 5.9 / fps and max(said) <= 11.1 / fps


def test_a_folder_of_frames_is_drawn_at_the_speed_at_which_it_was_asked(
  model, folder, tmp_path
):
  answer = model(str(folder))
  places = overlaying.Places(str(tmp_path / 'out.mp4'), [str(folder)])
  out = places.draw(str(folder), answer, model.program().info.fps)
  assert decode.probe(str(out)).duration == pytest.approx(answer.duration)


@pytest.mark.parametrize(
  'overlay, listed, message',
  [
    ('films', ['films/a.avi', 'films/a.mp4'], 'a.mp4; give another'),
    ('films/a.mp4', ['films/a.mp4'], 'give another folder or file'),
    ('out.avi', ['films/a.mp4'], 'not to .avi'),
    ('out.mp4', ['films/a.mp4', 'films/b.mp4'], 'one file for 2 films'),
  ],
)
def test_no_film_is_written_over(overlay, listed, message):
  with pytest.raises(ValueError, match=message):
    overlaying.Places(overlay, listed)


def test_a_film_is_one_however_it_is_named(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  pathlib.Path('a.mp4').touch()
  assert films.listed(['./a.mp4', '.', 'a.mp4']) == ['./a.mp4']


def test_a_bar_tells_looking_for_people_from_clips():
  bar = predict._Bar(['a.mp4', 'x/b.mp4'])
  told = types.SimpleNamespace(said=[], total=0)
  bar._bar.set_description = told.said.append
  bar.look(2, 10, 'a.mp4')
  bar.advance(1, 4, 'a.mp4')
  bar.advance(3, 4, 'x/b.mp4')
  assert told.said == ['a.mp4 (1 of 2)'] * 2 + ['b.mp4 (2 of 2)']
  assert bar.clips == 4
  bar.close()
