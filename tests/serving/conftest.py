"""A run and a film for the servers of this folder."""

import pathlib
import threading

import drawn
import pytest
import trained_models

from vidpetl.serving import shelf as shelf_lib


@pytest.fixture(scope='session')
def run(tmp_path_factory):
  return trained_models.write(tmp_path_factory.mktemp('run') / 'tiny', 'i3d')


@pytest.fixture(scope='session')
def shelf(run):
  return shelf_lib.Shelf([run])


@pytest.fixture(scope='session')
def film(tmp_path_factory):
  return pathlib.Path(drawn.clip(tmp_path_factory.mktemp('films') / 'film.mp4'))


@pytest.fixture
def held(shelf, monkeypatch):
  """Has answers wait for an event; returns it and the films that began."""
  go, begun, answer = threading.Event(), [], shelf.answer

  def wait(run, task, film, options, check):
    begun.append(film)
    while not go.wait(0.02):
      check()
    return answer(run, task, film, options, check)

  monkeypatch.setattr(shelf, 'answer', wait)
  yield go, begun
  go.set()
