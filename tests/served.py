"""A server for tests, under small bounds, which is asked without a network.

Pytest skips the modules that import this where the extra is not installed.
"""

import contextlib
import pathlib
import re

import pytest

pytest.importorskip('python_multipart', reason='needs the extra [serve]')
testclient = pytest.importorskip(
  'starlette.testclient', reason='needs the extra [serve]'
)
from vidpetl.serving import http  # noqa: E402
from vidpetl.serving.limits import Limits  # noqa: E402

SMALL = {'megabytes': 1.0, 'seconds': 3.0, 'pixels': 200 * 200, 'timeout': 60}


@contextlib.contextmanager
def client(shelf, **limits):
  server = http.build(shelf, Limits(**{**SMALL, **limits}))
  with testclient.TestClient(server, 'http://127.0.0.1') as asking:
    yield asking


def root(asking):
  return asking.app.state.root


def left(asking):
  """Returns the uploads that are there."""
  return list((root(asking) / 'uploads').iterdir())


def send(asking, film, name='film.mp4', **fields):
  content = film
  if not isinstance(film, bytes):
    content = pathlib.Path(film).read_bytes()
  return asking.post('/predict', files={'film': (name, content)}, data=fields)


def refused(response, status, words):
  assert response.status_code == status, response.text
  said = response.json()
  assert said.keys() == {'error'} and re.search(words, said['error']), said
  assert 'Traceback' not in said['error'] and '/tmp' not in said['error']
