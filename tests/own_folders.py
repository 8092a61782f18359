"""Folders of one's own clips, as tests of sources make and open them."""

from vidpetl.data import sources


def make(root, *names):
  """Touches files below a folder; returns its path."""
  for name in names:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
  return str(root)


def frames(root, *folders, suffix='jpg'):
  """Touches three frames in each of some folders; returns the path."""
  return make(
    root, *(f'{f}/img_{i:05d}.{suffix}' for f in folders for i in (1, 2, 3))
  )


def open_folder(path, split, **options):
  """Opens a folder of clips."""
  return sources.open_source(
    {'source': 'folder', 'path': str(path), 'split': split, **options}
  )


def ids_of(source):
  """Returns the ids of all examples."""
  return [source[i].id for i in range(len(source))]


def labels_of(source):
  """Returns id -> class of all examples."""
  names = source.info.classes
  return {source[i].id: names[source[i].label] for i in range(len(source))}


def notes(source):
  """Returns the notes on the data, a line each."""
  return '\n'.join(source.info.notes)
