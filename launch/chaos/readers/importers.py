"""Exports of annotation tools, and lists of other code bases."""

from __future__ import annotations

import functools
from typing import Any

from absl import flags
from etils import epath

from launch.chaos import bench, makers
from vidpetl import importing

_LISTS = {
  'mmaction2': ('train_list.txt', 'a/x.mp4 3\na/y.mp4 1\nb/z.mp4 0\n'),
  'slowfast': ('train.csv', '/d/x.mp4 3\n/d/y.mp4 1\n'),
  'videomae': ('train.csv', 'x.mp4 3\ny.mp4 1\n'),
  'tsm': ('train.txt', '78687 45 3\n78688 44 1\n'),
}


def _export(name: str, folder: epath.Path) -> list[str]:
  annotated, tools = makers.find('annotated'), makers.find('annotation_tools')
  write = getattr(tools, name)
  return write(folder, annotated.truth(tools.WRITERS[write]))


def _make(name: str, folder: epath.Path) -> None:
  words = _export(name, folder)
  plain = [word.replace(str(folder), '{folder}') for word in words]
  (folder / '.words').write_text('\n'.join(plain))


def _read(folder: epath.Path) -> Any:
  """Runs the import as the command does, and returns what it writes."""
  words = (folder / '.words').read_text().replace('{folder}', str(folder))
  out = folder / 'out'
  values = flags.FlagValues()
  importing.define_flags(values)
  _, *paths = values(['import', f'--out={out}', *words.split('\n')])
  try:
    importing.from_flags(values, paths)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}
  finally:
    out.rmtree(missing_ok=True)


def _write_list(name: str, folder: epath.Path) -> None:
  file, content = _LISTS[name]
  (folder / file).write_text(content)


def _read_list(name: str, folder: epath.Path) -> Any:
  path = folder / _LISTS[name][0]
  found = makers.find('annotated').reading(name, path)
  return [(clip.path, clip.labels, clip.split) for clip in found.clips]


_TOOLS = (
  *('cvat_video', 'cvat_images', 'via_csv', 'via_json', 'via3_csv'),
  *('via3_json', 'labelme', 'coco', 'coco_images', 'yolo', 'mot', 'ava'),
)
_TEXTS = ('*.csv', '*.txt', '*.json', '*.xml', '*.yaml', '*.ini')

READERS = (
  *(
    bench.Reader(
      f'import, {name}',
      functools.partial(_make, name),
      _read,
      damaged=_TEXTS,
    )
    for name in _TOOLS
  ),
  *(
    bench.Reader(
      f'import, {name}',
      functools.partial(_write_list, name),
      functools.partial(_read_list, name),
    )
    for name in _LISTS
  ),
)
