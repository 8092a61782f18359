"""What a format is, and what reading its files yields."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

from vidpetl.data import names
from vidpetl.data.annotations import text
from vidpetl.data.importers import parsing
from vidpetl.data.importers.files import File

Corners = tuple[float, float, float, float]
Size = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Options:
  """What the command line says of the files.

  Attributes:
    fps: frames a second; None is what the files or the videos say.
    size: width and height of the pictures in pixels, likewise.
    videos: name without suffix, composed (NFC) -> as it is written, of the
      videos there are.
    first: number of a film's first frame; None is the format's own.
    film: name of the film, where the files name none.
    pattern: regular expression with the groups `video` and `frame`, for names
      of pictures.
    names: file of class names.
    action: 'label', or attributes, that name actions; none for the usual.
    person: attribute that names the person; '' for the usual.
  """

  fps: float | None = None
  size: Size | None = None
  videos: Mapping[str, str] = dataclasses.field(default_factory=dict)
  first: int | None = None
  film: str = ''
  pattern: str = ''
  names: str = ''
  action: tuple[str, ...] = ()
  person: str = ''


@dataclasses.dataclass
class Film:
  """What files say of a film.

  Attributes:
    name: of the video without suffix.
    fps: frames a second, 0 where they do not say.
    size: width and height in pixels, (0, 0) where they do not say.
    frames: how many, 0 where they do not say.
    splits: in which files that name a split have it.
  """

  name: str
  fps: float = 0.0
  size: Size = (0.0, 0.0)
  frames: int = 0
  splits: set[str] = dataclasses.field(default_factory=set)

  def place(self, split: str) -> None:
    """Notes that a file of a split has the film; '' says nothing."""
    if split:
      self.splits.add(split)


@dataclasses.dataclass(frozen=True)
class At:
  """A moment of a film.

  Attributes:
    film: name of the video.
    frame: number of the frame, as the format counts; None for a time.
    seconds: of the moment, where `frame` is None.
  """

  film: str
  frame: int | None = None
  seconds: float = 0.0


@dataclasses.dataclass(frozen=True)
class Shape:
  """One person at one moment.

  Attributes:
    where: file and line, or element, for reports.
    at: the moment.
    corners: x1, y1, x2, y2, in pixels or, if `Reading.fractions`, of the frame.
    label: the class that the tool gave to the box.
    attributes: further fields -> values that are chosen; a field that is a
      checkbox has its own name for a value, or none.
    track: what is the same for one person in a file; '' if nothing is.
    file: that the track is of.
    size: of the picture, where each has its own.
  """

  where: str
  at: At
  corners: Corners
  label: str = ''
  attributes: Mapping[str, tuple[str, ...]] = dataclasses.field(
    default_factory=dict
  )
  track: str = ''
  file: str = ''
  size: Size = (0.0, 0.0)


@dataclasses.dataclass(frozen=True)
class Clip:
  """One row of a list of videos.

  Attributes:
    where: file and line.
    path: of the video or the folder of frames.
    labels: names of its classes.
    split: of the list, '' if it has none.
    start: seconds; None is the beginning.
    end: seconds; None is the end.
  """

  where: str
  path: str
  labels: tuple[str, ...]
  split: str = ''
  start: float | None = None
  end: float | None = None


@dataclasses.dataclass(frozen=True)
class LeftOut:
  """Something that files hold and the csv does not."""

  where: str
  what: str
  why: str


class Reading:
  """What was read: formats add to it.

  Attributes:
    films: by name.
    shapes: boxes.
    moments: what was looked at, also where there is no box.
    clips: rows of lists.
    left_out: what was not taken, each with its reason.
    incomplete: moments at which something was not taken, so that it is not
      known that nobody was there.
    notes: sentences on what was assumed.
    fractions: whether corners are fractions of the frame.
    first: number of the first frame; None is 1 if a film has a frame 1 and
      none a frame 0, else 0.
    declared: field ('label', or an attribute) -> the values that the files
      declare, in their order.
  """

  def __init__(self, options: Options | None = None):
    self.options = options or Options()
    self.films: dict[str, Film] = {}
    self.shapes: list[Shape] = []
    self.moments: dict[At, None] = {}
    self.clips: list[Clip] = []
    self.left_out: list[LeftOut] = []
    self.incomplete: set[At] = set()
    self.notes: list[str] = []
    self.fractions = False
    self.first: int | None = None
    self.declared: dict[str, dict[str, None]] = {}

  def film(self, candidates: Sequence[str], where: str) -> Film:
    """Returns the film that the first good name among candidates means.

    A name of a video there is, is better than any other.

    Raises:
      AnnotationError: if there is no name.
    """
    listed = [names.clean(name) for name in candidates if name]
    known = [name for name in listed if name in self.options.videos]
    chosen = [*known, *listed, '']
    name = self.options.film or chosen[0]
    name = self.options.videos.get(name, name)
    if not name:
      problem = 'nothing says of which video this is'
      raise text.fail(where, None, problem, 'its name as --film=NAME')
    return self.films.setdefault(name, Film(name))

  def leave_out(
    self, where: str, what: str, why: str, at: At | None = None
  ) -> None:
    """Notes something that is not taken, and the moment that it is of."""
    self.left_out.append(LeftOut(where, what, why))
    if at is not None:
      self.incomplete.add(at)

  def note(self, sentence: str) -> None:
    """Notes once what was assumed."""
    if sentence not in self.notes:
      self.notes.append(sentence)

  def declare(self, field: str, values: Iterable[str]) -> None:
    """Notes the values that a field may have, in their order."""
    known = self.declared.setdefault(field, {})
    known.update(dict.fromkeys(map(parsing.one_line, values)))


@dataclasses.dataclass(frozen=True)
class Format:
  """A format of annotations.

  Attributes:
    title: what it is, in a few words.
    reads: 'boxes' or 'clips'.
    suffixes: of its files.
    recognises: whether a file with such a suffix is of this format.
    read: reads files, of which some may be `aids`, into a `Reading`.
    aids: names of files that lie beside and say more (class names, frame rate).
  """

  title: str
  reads: str
  suffixes: tuple[str, ...]
  recognises: Callable[[File], bool]
  read: Callable[[Sequence[File], Reading], None]
  aids: tuple[str, ...] = ()

  def takes(self, file: File) -> bool:
    """Returns whether a file may hold annotations, by its name."""
    suffix = file.path.suffix.lower()
    return suffix in self.suffixes and not self.aided_by(file)

  def aided_by(self, file: File) -> bool:
    """Returns whether a file says more about the annotations."""
    return file.path.name.lower() in self.aids


def with_videos(options: Options, videos: Mapping[str, str]) -> Options:
  """Returns options that know the videos there are."""
  return dataclasses.replace(options, videos=videos)


def labelled(shape: Shape, label: str) -> Shape:
  """Returns a shape with a label."""
  return dataclasses.replace(shape, label=label)
