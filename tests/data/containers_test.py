"""Files of every kind show what ffmpeg shows, read at once and singly."""

import pytest

from launch import containers, films

# In turns, so that the first ones are of every kind.
FILMS = [film for i in range(3) for film in films.films()[i::3]]


@pytest.mark.table(52)
@pytest.mark.tail(52)
@pytest.mark.parametrize('film', FILMS, ids=str)
def test_every_time_shows_what_ffmpeg_shows(tmp_path, film):
  found = containers.compare(film, films.draw(film, tmp_path))
  assert found.frames >= 20
  assert found.at_once == found.frames
  assert found.alone == found.singles
  if film.container == 'avi':  # it may hold the last picture
    assert -0.05 < found.late < 0.15
  else:
    assert abs(found.late) < 0.05


def test_the_table_counts_what_agrees():
  some = films.Film('mp4', 'h264'), films.Film('mp4', 'h264', 'AAC')
  found = {
    some[0]: containers.Agreement(60, 60, 10, 10, 0.0),
    some[1]: containers.Agreement(60, 59, 10, 10, 0.0),
  }
  text = containers.table(found)
  assert '2 kinds of files' in text and '1 kinds agree in all' in text
  assert '| mp4 | h264 | plain; AAC | 119 of 120 | 20 of 20 |' in text
