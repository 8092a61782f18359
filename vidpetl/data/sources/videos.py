"""Finding clips below a folder: video files, and folders of frames.

A dataset has a million files. They are listed by `os.scandir`, which knows
folders without asking for each file's status, and their names are strings:
epath takes ten times as long to take one apart. What systems leave beside
videos (`names.is_litter`) is passed over everywhere.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator

from etils import epath

from vidpetl.data import decode, frames, names

# Of containers, and of streams without one, that the decoder opens as videos.
SUFFIXES = (
  *('.264', '.265', '.360', '.3g2', '.3gp', '.3gpp', '.amv', '.apng', '.asf'),
  *('.avi', '.dav', '.divx', '.dv', '.evo', '.f4v', '.flv', '.gif', '.gxf'),
  *('.h264', '.h265', '.hdmov', '.hevc', '.insv', '.ismv', '.ivf', '.lrv'),
  *('.m1v', '.m2p', '.m2t', '.m2ts', '.m2v', '.m4v', '.mj2', '.mjpeg'),
  *('.mjpg', '.mk3d', '.mkv', '.mod', '.mov', '.mp2v', '.mp4', '.mp4v'),
  *('.mpe', '.mpeg', '.mpeg4', '.mpg', '.mpv', '.mpv2', '.mts', '.mxf'),
  *('.nsv', '.nut', '.nuv', '.ogg', '.ogm', '.ogv', '.ogx', '.qt', '.rm'),
  *('.rmvb', '.tod', '.tp', '.trp', '.ts', '.vob', '.vro', '.webm', '.wmv'),
  *('.wtv', '.xvid', '.y4m'),
)
_SUFFIXES = frozenset(SUFFIXES)


def is_video(path: str) -> bool:
  """Returns whether a file's suffix is that of a video."""
  return os.path.splitext(path)[1].lower() in _SUFFIXES


def without_suffix(path: str) -> str:
  """Returns a path without the suffix of a video, if it has one."""
  return os.path.splitext(path)[0] if is_video(path) else path


def stem(path: str) -> str:
  """Returns the last part of a path: the key of `Finder` by file name."""
  return path.rpartition('/')[2]


def class_and_stem(path: str) -> str:
  """Returns `<class>/<file>`, the last two parts of a path, as a key."""
  return '/'.join(path.split('/')[-2:])


@dataclasses.dataclass
class Tree:
  """What lies below a folder, paths relative to it with '/'.

  Attributes:
    clips: path -> whether it is a folder of frames (else a video file).
    folders: that are no clips, also those without any.
    others: files that are no part of a clip.
    again: links to folders that are somewhere else below it, too.
    links: clips that are links to files.
    flow: folders and files of optical flow beside frames; how many.
  """

  clips: dict[str, bool] = dataclasses.field(default_factory=dict)
  folders: list[str] = dataclasses.field(default_factory=list)
  others: list[str] = dataclasses.field(default_factory=list)
  again: list[str] = dataclasses.field(default_factory=list)
  links: set[str] = dataclasses.field(default_factory=set)
  flow: int = 0


def look(folder: epath.PathLike) -> Tree:
  """Lists the clips below a folder.

  A folder that holds numbered images, and no video at any depth, is a clip of
  its frames. Links are followed, and each folder is visited once.

  Args:
    folder: where to look.

  Raises:
    FileNotFoundError: if there is no such folder.
  """
  if not folder or not epath.Path(folder).is_dir():  # '' would be '.'
    raise FileNotFoundError(f'{names.shown(folder)}: no such folder')
  tree = Tree()
  _visit(os.fspath(folder), '', tree, set())
  return tree


def _visit(root: str, below: str, tree: Tree, seen: set) -> bool:
  """Adds what lies in a folder to a tree.

  Args:
    root: of the tree.
    below: the folder, relative to `root`; '' or with '/' at its end.
    tree: to add to.
    seen: identities of visited folders.

  Returns:
    Whether there are clips in it.
  """
  status = os.stat(os.path.join(root, below))
  if (status.st_dev, status.st_ino) in seen:
    tree.again.append(below[:-1])
    return False
  seen.add((status.st_dev, status.st_ino))
  folders, videos, images, others = [], [], [], []
  with os.scandir(os.path.join(root, below)) as entries:
    for entry in entries:
      name = entry.name
      if names.is_litter(name):
        continue
      if entry.is_dir():
        folders.append(name)
      elif is_video(name):
        videos.append(name)
        if entry.is_symlink():
          tree.links.add(below + name)
      else:
        (images if frames.is_image(name) else others).append(name)
  flow = [name for name in (*folders, *images) if frames.is_flow(name)]
  inside = [
    _visit(root, f'{below}{name}/', tree, seen)
    for name in sorted(folders)
    if not frames.is_flow(name) or not any(map(frames.is_frame, images))
  ]
  if not videos and not any(inside) and any(map(frames.is_frame, images)):
    tree.clips[below[:-1]] = True
    tree.flow += len(flow)
    images = []
  else:
    tree.folders.append(below[:-1])
  tree.clips |= {below + name: False for name in sorted(videos)}
  tree.others += [below + name for name in sorted(others + images)]
  return bool(videos) or any(inside) or below[:-1] in tree.clips


class Finder:
  """The clips anywhere below a folder, by a part of their paths.

  Names are compared in Unicode's composed form, and without a video's suffix:
  what a list calls a.avi may have been made a.mp4, or a folder of frames. Of a
  video and its own frames, the video is found, which knows its frame rate.
  """

  def __init__(self, folder: epath.PathLike, key: Callable[[str], str] = stem):
    """Lists the folder.

    Args:
      folder: where to look.
      key: which part of a path without suffix names a clip.

    Raises:
      FileNotFoundError: if there is no such folder.
    """
    self.folder = folder
    self._key = key
    self._paths: dict[str, str] = {}
    self._others: dict[str, str] = {}
    clips = look(folder).clips
    # Videos go first.
    for path in sorted(clips, key=lambda path: (clips[path], path)):
      name = self._name(path)
      first = self._paths.setdefault(name, path)
      if first != path and clips[first] == clips[path]:
        self._others[name] = path

  def _name(self, path: str) -> str:
    return self._key(names.clean(without_suffix(path)))

  def __iter__(self) -> Iterator[str]:
    return iter(self._paths)

  def get(self, name: str) -> str | None:
    """Returns the path of a clip, or None.

    Args:
      name: as a list has it, with a video's suffix or without.

    Raises:
      ValueError: if two clips have this name.
    """
    name = self._name(name)
    if name in self._others:
      first, second = map(names.shown, (self._paths[name], self._others[name]))
      raise ValueError(
        f'{names.shown(self.folder)}: {first} and {second} are both called '
        f'{name!r}; keep one of them below this folder'
      )
    path = self._paths.get(name)
    return path and os.path.join(self.folder, path)


class Places:
  """Videos and folders of frames at their places below some folders.

  Folders are listed when they are first looked into, and no frames are.
  """

  def __init__(self, *folders: epath.PathLike):
    """Names the folders.

    Args:
      *folders: the first that has a clip is the one it is taken from; they
        need not be there.
    """
    self._folders = [os.fspath(folder) for folder in folders]
    self._listings: dict[str, _Listing] = {}

  def get(self, name: str) -> str | None:
    """Returns the file or folder of frames that is called so, or None.

    It is the one of exactly this name; else of this name in another form of
    Unicode; else of this name but for a video's suffix, a folder of frames
    before a video.

    Args:
      name: below one of the folders, with '/'; or absolute.

    Raises:
      ValueError: if two videos are called so.
    """
    for folder in self._folders:
      # Strings: epath takes ten times as long, and there are many clips.
      parent, last = os.path.split(os.path.join(folder, name.rstrip('/')))
      listing = self._listing(parent)
      if found := listing and listing.get(last):
        return os.path.join(listing.folder, found)
    # As Windows writes it.
    return self.get(name.replace('\\', '/')) if '\\' in name else None

  def _listing(self, folder: str) -> _Listing | None:
    """Returns what is in a folder, None if it is not there."""
    if folder not in self._listings:
      self._listings[folder] = _list(self._existing(folder))
    return self._listings[folder]

  def _existing(self, folder: str) -> str | None:
    """Returns a folder by the name that it has on the disk."""
    if epath.Path(folder or '.').is_dir():
      return folder or '.'
    parent, last = os.path.split(folder)
    if parent == folder or not last:
      return None
    listing = self._listing(parent)
    found = listing and listing.get(last)
    path = found and os.path.join(listing.folder, found)
    return path if path and epath.Path(path).is_dir() else None


class _Listing:
  """Names in a folder, by how they may be spelled."""

  def __init__(self, folder: str, films: Iterable[str], folders: Iterable[str]):
    self.folder = folder
    self._folders = set(folders)
    self._names = {*films, *self._folders}
    self._spelled: dict[str, str] = {}
    self._stems: dict[str, list[str]] = {}
    for name in sorted(self._names):
      for spelled in _spellings(name):
        self._spelled.setdefault(spelled, name)
      if name in self._folders or is_video(name):
        key = names.clean(without_suffix(name))
        self._stems.setdefault(key, []).append(name)

  def get(self, name: str) -> str | None:
    """Returns the name that a file or folder has, or None."""
    if name in self._names:
      return name
    clean = names.clean(name)
    if clean in self._spelled:
      return self._spelled[clean]
    found = self._stems.get(without_suffix(clean), [])
    found = [name for name in found if name in self._folders] or found
    if len(found) > 1:
      first, second = (
        names.shown(os.path.join(self.folder, name)) for name in found[:2]
      )
      raise ValueError(
        f'{first} and {second} are both called {clean!r}; keep one of them'
      )
    return found[0] if found else None


def _spellings(name: str) -> Iterator[str]:
  """Yields how a table may spell the name of a file."""
  yield names.clean(name)
  try:
    name.encode()
  except UnicodeEncodeError:  # bytes that are no UTF-8: of Windows, mostly
    latin = os.fsencode(name).decode('cp1252', 'replace')
    yield names.clean(latin)


def _list(folder: str | None) -> _Listing | None:
  if folder is None:
    return None
  films, folders = [], []
  # It knows folders from files without asking for the status of each.
  with os.scandir(folder) as entries:
    for entry in entries:
      if not names.is_litter(entry.name):
        (folders if entry.is_dir() else films).append(entry.name)
  return _Listing(folder, films, folders)


def holds_frames(folder: str) -> bool:
  """Returns whether a folder has a numbered image in it."""
  with os.scandir(folder) as entries:
    return any(frames.is_frame(entry.name) for entry in entries)


def is_folder(path: str) -> bool:
  """Returns whether a clip is a folder; a file's suffix tells it at once."""
  return not is_video(path) and epath.Path(path).is_dir()


def rate_note(
  folders: Iterable[str], fps: float | None, usual: float | None = None
) -> tuple[str, ...]:
  """Returns what to say of folders of frames whose rate is not given.

  Args:
    folders: of frames.
    fps: as the user says; None if he does not.
    usual: what is taken instead; 25 by default.
  """
  first = next(iter(folders), None)
  if first is None or fps:
    return ()
  return (
    f'{names.shown(first)} is a folder of frames, which does not know its '
    f'frame rate: it is taken for {usual or decode.DEFAULT_FPS:g} a second; '
    'give fps=… if it is another',
  )
