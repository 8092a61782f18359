"""Requests that wait, are refused, or come too late."""

import concurrent.futures
import contextlib
import threading
import time

import av
import drawn
from served import client, left, refused, send

from vidpetl import parts
from vidpetl.inference import answers
from vidpetl.serving import shelf
from vidpetl.serving.limits import Limits


def until(true, seconds=20):
  end = time.monotonic() + seconds
  while not true():
    assert time.monotonic() < end
    time.sleep(0.01)


def test_large_films_are_no_short_ones():
  frames = 25 * 20
  assert Limits.effort(20.0, frames * 1920 * 1080) == 20.0
  assert Limits.effort(20.0, frames * 4096 * 4096) > 60


def test_a_file_that_is_dropped_ends(shelf, tmp_path, monkeypatch):
  """Whoever still decodes it does not go on to its end."""
  film = drawn.clip(tmp_path / 'many.mkv', frames=700, fps=250, size=(192, 128))
  begun, ended, frames = threading.Event(), threading.Event(), []

  def slowly(run, task, path, options, check):
    begun.set()
    with contextlib.suppress(av.FFmpegError), av.open(path) as container:
      for frame in container.decode(video=0):
        frames.append(frame.pts)
        time.sleep(0.05)
    ended.set()

  monkeypatch.setattr(shelf, 'answer', slowly)
  with client(shelf, timeout=1.0) as asking:
    refused(send(asking, film), 504, 'the work is dropped')
    assert begun.is_set() and ended.wait(10)
  assert len(frames) < 700


def test_a_full_queue_refuses_and_loses_nothing(shelf, film, held):
  go, _ = held
  with (
    client(shelf, waiting=1) as asking,
    concurrent.futures.ThreadPoolExecutor(3) as clients,
  ):
    taken = lambda: asking.get('/health').json()['requests']
    sent = [clients.submit(send, asking, film) for _ in range(3)]
    until(lambda: taken() == 3)
    response = send(asking, film)
    refused(response, 503, 'busy.*Try again')
    assert 1 <= int(response.headers['Retry-After']) <= 60
    go.set()
    assert [s.result().status_code for s in sent] == [200] * 3
    assert taken() == 0 and send(asking, film).status_code == 200


def test_a_long_film_does_not_hold_up_short_ones(shelf, film, tmp_path, held):
  go, begun = held
  long = drawn.clip(tmp_path / 'long.mp4', frames=24)
  with (
    client(shelf, short=1.5) as asking,
    concurrent.futures.ThreadPoolExecutor(4) as clients,
  ):
    sent = [clients.submit(send, asking, long) for _ in range(3)]
    until(lambda: len(begun) == 1)
    time.sleep(0.2)
    assert len(begun) == 1  # The other thread is kept for short films.
    sent.append(clients.submit(send, asking, film))
    until(lambda: len(begun) == 2)
    go.set()
    assert [s.result().status_code for s in sent] == [200] * 4


def test_late_work_is_refused_and_dropped(shelf, film, held):
  _, begun = held
  with client(shelf, timeout=0.8) as asking:
    refused(send(asking, film), 504, 'No answer within 0.8 s')
    assert begun and not left(asking)
    until(lambda: asking.get('/health').json()['requests'] == 0)


def test_whatever_answers_are_computed_by_takes_its_turn():
  names = parts.names(answers, 'ask')
  programs = {
    parts.load(answers, name, 'ask', 'kind').PROGRAM for name in names
  }
  assert {'outputs', 'without_segments'} <= programs
  assert programs <= vars(shelf._Guarded).keys()
