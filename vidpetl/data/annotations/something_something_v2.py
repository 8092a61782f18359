"""Something-Something V2's json files."""

from __future__ import annotations

from vidpetl.data.annotations import text


def read_labels(path: str) -> list[str]:
  """Reads `labels.json`: {'Closing something': '0', ...}.

  Returns:
    Template names by index.

  Raises:
    text.AnnotationError: unless the indices are 0..n-1, once each.
  """
  expected = '{template: index} with the indices 0..n-1 once each'
  labels = text.read_json(path, dict, expected)
  names: dict[int, str] = {}
  for name, index in labels.items():
    if not str(index).isdigit() or int(index) in names:
      raise text.fail(path, None, f'{name!r}: {index!r}', expected)
    names[int(index)] = name
  if sorted(names) != list(range(len(names))) or not names:
    raise text.fail(path, None, f'{len(names)} indices with gaps', expected)
  return [names[i] for i in range(len(names))]


def read(path: str, templates: list[str]) -> tuple[list[str], list[int]]:
  """Reads a split: [{'id': '78687', 'template': 'Holding [something]'}, ...].

  The template without its brackets is the name in `labels.json`.

  Args:
    path: of the json.
    templates: names by index.

  Returns:
    Video ids and labels.

  Raises:
    text.AnnotationError: with the entry's number, e.g. for an unknown template.
  """
  index = {name: i for i, name in enumerate(templates)}
  expected = 'a list of {"id": ..., "template": ...}'
  videos, labels = [], []
  for i, entry in enumerate(text.read_json(path, list, expected)):
    if not isinstance(entry, dict) or not {'id', 'template'} <= entry.keys():
      raise text.fail(f'{path}[{i}]', None, repr(entry), expected)
    name = entry['template'].replace('[', '').replace(']', '')
    if name not in index:
      problem = f'template {name!r} is not in the labels'
      raise text.fail(f'{path}[{i}]', None, problem, 'one of labels.json')
    videos.append(str(entry['id']))
    labels.append(index[name])
  if not videos:
    raise text.fail(path, None, 'no videos', expected)
  return videos, labels
