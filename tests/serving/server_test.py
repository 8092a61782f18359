"""A server that is asked over HTTP, without a network."""

import os
import pathlib
import re
import shutil
import stat
import time

import drawn
import pytest
from served import SMALL, client, left, refused, root, send, testclient

import vidpetl
from vidpetl.inference.question import Options
from vidpetl.serving import asked, http, uploads
from vidpetl.serving import shelf as shelf_lib
from vidpetl.serving.limits import Limits, Refusal


@pytest.fixture(scope='module')
def asking(shelf):
  with client(shelf) as found:
    yield found


def test_an_answer_is_that_of_the_model(asking, shelf, film, run):
  response = send(asking, film, 'My film.mp4')
  expected = vidpetl.load(run)(film).to_json()
  expected |= {'film': 'My film.mp4', 'run': 'tiny', 'adapter': 'main'}
  assert response.json() == expected
  assert not left(asking)


def test_what_can_be_asked_is_told(asking):
  said = asking.get('/models').json()
  (model,) = said['models']
  assert model['run'] == 'tiny'
  assert model['tasks'] == [
    {'task': 'own', 'kind': 'classification', 'classes': 3}
  ]
  assert said['limits']['megabytes'] == 1.0
  assert asking.get('/health').json() == {'status': 'ok', 'requests': 0}


def test_a_film_with_its_answer_is_kept_for_a_while(shelf, film):
  with client(shelf, keep=0.5) as asking:
    place = send(asking, film, overlay='1').json()['overlay']
    fetched = asking.get(place)
    assert fetched.headers['content-type'] == 'video/mp4'
    assert b'ftyp' in fetched.content[:12]
    part = asking.get(place, headers={'Range': 'bytes=0-3'})
    assert part.status_code == 206 and len(part.content) == 4
    time.sleep(0.6)
    refused(asking.get(place), 404, 'no longer kept: ask again')
    assert not list((root(asking) / 'drawn').iterdir())


def test_only_the_latest_drawn_films_are_kept(shelf, film):
  with client(shelf, kept=1) as asking:
    first, second = (
      send(asking, film, overlay='1').json()['overlay'] for _ in range(2)
    )
    assert asking.get(first).status_code == 404
    assert asking.get(second).status_code == 200


def test_the_folder_is_private_and_removed(shelf):
  with client(shelf) as asking:
    folder = root(asking)
    for path in (folder, *folder.iterdir()):
      assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
  assert not folder.exists()


def test_a_large_upload_is_refused_before_its_end(asking):
  given = []

  def body():
    yield b'--x\r\nContent-Disposition: form-data; name="film"; '
    yield b'filename="a"\r\n\r\n'
    for _ in range(200):
      given.append(len(left(asking)))
      yield b'\0' * 100_000

  kind = {'content-type': 'multipart/form-data; boundary=x'}
  response = asking.post('/predict', content=body(), headers=kind)
  refused(response, 413, 'larger than 1 MB')
  assert not left(asking)


def test_a_claimed_size_is_refused_at_once(asking):
  response = send(asking, b'\0' * 2_000_000)
  refused(response, 413, 'larger than 1 MB.*shorter or smaller')


@pytest.mark.parametrize(
  'content, words',
  [
    (b'', 'cannot be read as a film'),
    (b'\0' * 500_000, 'cannot be read as a film'),
    (b'no film at all', 'cannot be read as a film'),
    (b'#EXTM3U\n#EXTINF:1,\n/etc/passwd\n', 'cannot be read as a film'),
    (b'ffconcat version 1.0\nfile film.mp4\n', 'none of the containers'),
    (b'\0\0\0\x18ftypmp42\0\0\0\0', 'no whole index'),
  ],
  ids=['empty', 'zeros', 'text', 'playlist', 'script', 'unfinished'],
)
def test_what_is_no_film_is_refused(asking, content, words):
  refused(send(asking, content), 422, words)
  assert not left(asking)


def test_a_damaged_film_is_refused(asking, film):
  content = bytearray(film.read_bytes())
  begin = content.index(b'mdat') + 4
  content[begin : begin + 2000] = os.urandom(2000)
  response = send(asking, bytes(content))
  assert response.status_code in (200, 422)
  assert 'Traceback' not in response.text and not left(asking)


def test_a_long_film_is_refused(asking, tmp_path):
  film = drawn.clip(tmp_path / 'long.mp4', frames=48)
  refused(send(asking, film), 422, 'is 4 s long.*up to 3 s.*vidpetl predict')


def test_large_frames_are_refused(asking, tmp_path):
  film = drawn.clip(tmp_path / 'large.mp4', size=(324, 240))
  refused(send(asking, film), 422, 'Frames are 324x240.*smaller')


def test_more_frames_than_can_be_in_a_film_are_refused(shelf, film):
  with pytest.raises(Refusal, match='more than 720 frames'):
    Limits(**SMALL).check_size(8, 8, 721)
  with pytest.raises(Refusal, match='most that this server decodes of 3840'):
    Limits(seconds=60).check_size(2160, 3840, 901)


@pytest.mark.parametrize(
  'name, shown',
  [
    ('../../../etc/x.mp4', 'x.mp4'),
    ('C:\\Users\\me\\x.mp4', 'x.mp4'),
    ('a\0b\r\n.mp4', 'ab.mp4'),
    ('/', 'film'),
    ('..', '..'),
    ('a\u202efdp.mp4', 'afdp.mp4'),
    ('Größe 走る.mp4', 'Größe 走る.mp4'),
    ('x' * 5000 + '.mp4', 'x' * 89 + '…' + 'xxxxxx.mp4'),
  ],
)
def test_a_name_is_a_label(name, shown):
  assert uploads.label(name) == shown


def test_tricks_with_paths_write_nowhere(asking, film, tmp_path):
  response = send(asking, film, f'../../../..{tmp_path}/x.mp4')
  assert response.json()['film'] == 'x.mp4'
  assert not list(tmp_path.iterdir()) and not left(asking)


@pytest.mark.parametrize(
  'fields, status, words',
  [
    ({'run': 'other'}, 404, 'No run.*there are: tiny'),
    ({'task': 'other'}, 404, 'No task.*there are: own'),
    ({'overlay': 'maybe'}, 400, 'it is 0 or 1'),
    ({'difficulty': 'nan'}, 400, 'it is a number'),
    ({'window': '0.0001'}, 400, 'No field'),
    ({'run': 'x' * 2000}, 400, 'too long'),
  ],
)
def test_a_wrong_field_is_refused(asking, film, fields, status, words):
  refused(send(asking, film, **fields), status, words)


def test_what_is_no_form_is_refused(asking):
  refused(asking.post('/predict', content=b'x'), 415, 'multipart/form-data')
  kind = {'content-type': 'multipart/form-data; boundary=x'}
  damaged = asking.post('/predict', content=b'--y\r\nfoo', headers=kind)
  refused(damaged, 400, 'The form is damaged')
  cut = asking.post('/predict', content=b'--x\r\nA: b\r\n', headers=kind)
  refused(cut, 400, 'The form ends early')
  without = asking.post('/predict', files={'other': ('a', b'b')})
  refused(without, 400, 'has no film')
  two = [('film', ('a', b'b')), ('film', ('c', b'd'))]
  refused(asking.post('/predict', files=two), 400, 'several films')


def test_other_pages_cannot_ask(shelf, asking, film):
  other = asking.post(
    '/predict',
    files={'film': ('a', b'b')},
    headers={'Origin': 'http://elsewhere.example'},
  )
  refused(other, 403, 'Another page')
  server = http.build(shelf, Limits(), ['127.0.0.1'])
  with testclient.TestClient(server, 'http://rebound.example') as rebound:
    assert rebound.get('/health').status_code == 400


def test_a_run_may_bring_a_film_along(asking, run, film):
  refused(asking.get('/example'), 404, 'tiny brings no film along')
  example = pathlib.Path(run) / 'film.mp4'
  shutil.copy(film, example)
  assert asking.get('/example?run=tiny').content == film.read_bytes()
  assert asking.get('/models').json()['models'][0]['example']
  example.unlink()


def test_people_are_sought_where_a_task_asks_for_them(shelf, film, monkeypatch):
  seen, answer = [], shelf.answer

  def look(run, task, path, options, check):
    seen.append(options.people)
    return answer(run, task, path, Options(), check)

  monkeypatch.setattr(shelf, 'answer', look)
  finder = object()
  server = http.build(shelf, Limits(**SMALL), people=finder)
  with testclient.TestClient(server, 'http://127.0.0.1') as asking:
    assert send(asking, film).status_code == 200
    monkeypatch.setattr(shelf, 'kind', lambda run, task: 'localisation')
    assert send(asking, film).status_code == 200
  assert seen == [None, finder]


def test_no_refusal_says_where_uploads_lie(shelf, asking, film, monkeypatch):
  def fail(run, task, film, options, check):
    raise Refusal(422, f'{film} needs a difficulty')

  monkeypatch.setattr(shelf, 'answer', fail)
  refused(send(asking, film), 422, '^the film needs a difficulty$')


def test_ways_that_there_are_not_are_told(asking):
  refused(asking.get('/nothing'), 404, 'Not Found')
  refused(asking.get('/drawn/../../etc/passwd'), 404, '')
  refused(asking.get('/drawn/%2e%2e%2fuploads'), 404, '')
  refused(asking.get('/predict'), 405, 'Not Allowed')


def test_an_error_of_the_program_has_no_traceback(shelf, film, monkeypatch):
  def fail(*unused):
    raise RuntimeError('secret')

  monkeypatch.setattr(shelf, 'answer', fail)
  with client(shelf) as asking:
    response = send(asking, film)
    refused(response, 500, 'The server failed')
    assert 'secret' not in response.text and not left(asking)


def test_what_is_no_number_is_null():
  nan = float('nan')
  assert asked.finite({'a': [nan, 1.0], 'b': 'c'}) == {
    'a': [None, 1.0],
    'b': 'c',
  }


def test_names_of_runs_are_the_shortest_that_differ():
  assert shelf_lib.named(['a/x', 'b/x']) == ['a/x', 'b/x']
  assert shelf_lib.named(['a/x', 'b/y/adapter']) == ['x', 'y']
  with pytest.raises(ValueError, match='twice'):
    shelf_lib.named(['a', 'a'])


def test_the_page_loads_nothing_from_elsewhere(asking):
  page = asking.get('/')
  assert "default-src 'self'" in page.headers['content-security-policy']
  for name in ('/', '/page.css', '/page.js'):
    text = asking.get(name).text
    found = set(re.findall(r'https?://[^\s\'"]+', text))
    assert found <= {'http://www.w3.org/2000/svg'}
