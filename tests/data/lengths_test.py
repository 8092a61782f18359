"""How long examples are, with and without what is known of their files."""

import drawn

from vidpetl.data import frames, lengths, sources
from vidpetl.data.survey import cache, record


def folder(tmp_path):
  """Returns a source of three films, and their paths."""
  paths = []
  for name, count in (('a', 5), ('b', 10), ('c', 20)):
    path = tmp_path / 'films' / 'jump' / f'{name}.mp4'
    paths.append(drawn.clip(path, frames=count))
  source = sources.open_source(
    {'source': 'folder', 'path': str(tmp_path / 'films'), 'split': 'all'}
  )
  return source, paths


def test_films_of_which_there_are_records_are_not_opened(tmp_path, monkeypatch):
  source, paths = folder(tmp_path)
  wanted = lengths.of(source)
  known = cache.Cache(str(tmp_path / 'known.sqlite'))
  known.put([(p, cache.stamp(p), record.read(p)) for p in paths[:2]])
  opened = []
  whole = frames.open_video
  monkeypatch.setattr(
    frames,
    'open_video',
    lambda video, *more: opened.append(video) or whole(video, *more),
  )
  assert lengths.of(source, known=known) == wanted
  assert opened == [paths[2]]
