"""Which field of an annotation names the actions, and which the person."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from vidpetl.data.importers import parsing
from vidpetl.data.importers.contract import Reading, Shape

LABEL = 'label'
CHECKBOXES = 'checkboxes'
_ACTIONS = ('action', 'actions', 'activity', 'activities', 'action_label')
_PERSONS = ('track_id', 'person_id', 'track', 'id', 'pid', 'tid', 'instance_id')
# What tools write beside what an annotator said.
_BOOKKEEPING = (
  *(*_PERSONS, 'occluded', 'truncated', 'difficult', 'keyframe', 'outside'),
  *('rotation', 'score', 'confidence', 'z_order', 'source', 'iscrowd', 'group'),
)


def fields(reading: Reading) -> tuple[str, ...]:
  """Returns the fields that name actions: 'label', or attributes.

  They are those that the user wants, 'checkboxes' for all that are; by default
  attributes called 'action' or the like, else the label.

  Args:
    reading: of boxes.

  Raises:
    ValueError: for an attribute that there is not; and where the label is the
      same for all and several attributes may be meant.
  """
  there, wanted = _attributes(reading), reading.options.action
  labels = {shape.label for shape in reading.shapes} - {''}
  ticked = _checkboxes(reading, there)
  if wanted == (CHECKBOXES,) and ticked:
    return tuple(ticked)
  if wanted:
    unknown = [n for n in wanted if n != LABEL and n not in there]
    if unknown:
      listed = ', '.join([LABEL, *there])
      raise ValueError(f'--action={unknown[0]}; the boxes have: {listed}')
    return tuple(wanted)
  named = tuple(name for name in there if name.casefold() in _ACTIONS)
  if named:
    return named
  candidates = [n for n in there if n.casefold() not in _BOOKKEEPING]
  if len(labels) < 2 and candidates:
    if not labels and len(candidates) == 1:
      return tuple(candidates)
    every = f'All boxes are called {min(labels)!r}' if labels else 'No labels'
    example = CHECKBOXES if candidates[0] in ticked else candidates[0]
    listed = ', '.join([LABEL] * bool(labels) + candidates)
    raise ValueError(
      f'{every}, and they have the attributes {", ".join(candidates)}: '
      f'--action= says which of {listed} name the actions, as '
      f'--action={example}'
    )
  return (LABEL,)


def _attributes(reading: Reading) -> list[str]:
  """Returns the names of attributes, in the order in which they occur."""
  found: dict[str, None] = {}
  for shape in reading.shapes:
    found.update(dict.fromkeys(shape.attributes))
  return list(found)


def _checkboxes(reading: Reading, there: Sequence[str]) -> list[str]:
  """Returns the attributes that are ticked or not, and nothing else."""
  seen: dict[str, set[str]] = {name: set() for name in there}
  for shape in reading.shapes:
    for name, found in shape.attributes.items():
      seen[name].update(found)
  return [
    name
    for name, found in seen.items()
    if {*found, *reading.declared.get(name, ())} == {name}
    and name.casefold() not in _BOOKKEEPING
  ]


def values(shape: Shape, chosen: Sequence[str]) -> list[str]:
  """Returns the actions of a box, each once; 'sit|talk' are two."""
  found: dict[str, None] = {}
  for field in chosen:
    each = (shape.label,) if field == LABEL else shape.attributes.get(field, ())
    for value in each:
      for name in value.split('|'):
        found[parsing.one_line(name)] = None
  found.pop('', None)
  return list(found)


def vocabulary(reading: Reading, chosen: Sequence[str]) -> tuple[str, ...]:
  """Returns the names of actions in the order of their ids.

  They are those that files declare, in the files' order, field by field; then
  others that occur, sorted. A checkbox that is never ticked is an action, too,
  so that two imports of one project agree.

  Args:
    reading: of boxes.
    chosen: the fields that name actions.
  """
  ordered: dict[str, None] = {}
  for field in chosen:
    seen = {name for s in reading.shapes for name in values(s, [field])}
    stated = [] if field == LABEL or seen - {field} else [field]
    ordered.update(reading.declared.get(field, {}))
    ordered.update(dict.fromkeys([*stated, *sorted(seen)]))
  ordered.pop('', None)
  return tuple(ordered)


def of_span(
  attributes: Mapping[str, Sequence[str]], wanted: Sequence[str]
) -> tuple[str, ...]:
  """Returns the labels of a span of time that has no box.

  Args:
    attributes: name -> values.
    wanted: by the user; none for those called 'action', or else all.
  """
  named = [name for name in attributes if name.casefold() in _ACTIONS]
  chosen = wanted or named or list(attributes)
  return tuple(
    label for name in chosen for label in attributes.get(name, ()) if label
  )


def persons(reading: Reading) -> Callable[[Shape], str]:
  """Returns what tells the person of a box.

  A track's number stays what it is. Where several files have a track of the
  same number in one film, all but the first get new numbers.

  Args:
    reading: of boxes; `options.person` is the attribute that names the person,
      if not the track.

  Raises:
    ValueError: for an attribute that there is not.
  """
  there, wanted = _attributes(reading), reading.options.person
  if wanted and wanted not in there:
    listed = ', '.join(there) or 'none'
    raise ValueError(f'--person={wanted}; the boxes have: {listed}')
  field = wanted or next((n for n in _PERSONS if n in there), '')
  taken: dict[tuple[str, str], str] = {}
  numbers: dict[tuple[str, str, str], str] = {}

  def person(shape: Shape) -> str:
    track = parsing.one_line(shape.track)
    if (wanted or not track) and field:
      return next(iter(shape.attributes.get(field, ())), '')
    if not track:
      return ''
    key = (shape.at.film, shape.file, track)
    if key not in numbers:
      numbers[key] = _free(taken, shape.at.film, track)
      taken[shape.at.film, numbers[key]] = shape.file
      if numbers[key] != track:
        reading.note(
          f'{shape.at.film}: several files have a track {track}; those of '
          f'{shape.file} got new numbers.'
        )
    return numbers[key]

  return person


def _free(taken: dict[tuple[str, str], str], film: str, track: str) -> str:
  """Returns the track's number, or the next that the film has not."""
  if (film, track) not in taken:
    return track
  used = [int(n) for f, n in taken if f == film and n.isdigit()]
  return str(max(used, default=0) + 1)
