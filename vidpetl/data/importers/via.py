"""VIA, the VGG Image Annotator: csv and json of version 2 and of version 3.

Documented at https://www.robots.ox.ac.uk/~vgg/software/via/, and for version 3
in https://gitlab.com/vgg/via/-/blob/master/via-3.x.y/CodeDoc.md.

Version 2 annotates pictures: `filename`, and for each region
`region_shape_attributes` (rect, polygon, circle, ellipse, point; in pixels) and
`region_attributes`, which are json inside the csv. The picture's name says film
and frame. A picture without regions is a frame on which nobody does anything.

Version 3 annotates videos: `z` is a time in seconds or a span of time, `xy` a
shape in pixels, `av` the values of attributes. A box with a span is put at its
middle. A span without a box is a clip: those are written as a list of clips.
AVA was annotated with it in that way. Neither version has the pictures' size.
"""

from __future__ import annotations

from collections.abc import Sequence

from vidpetl.data.importers import contract, via_pictures, via_videos
from vidpetl.data.importers.files import File

_PARTS = (via_pictures, via_videos)


def _read(files: Sequence[File], reading: contract.Reading) -> None:
  for file in files:
    part = via_videos if via_videos.recognises(file) else via_pictures
    part.read(file, reading)


FORMAT = contract.Format(
  title='csv and json of the VGG Image Annotator, 2 and 3',
  reads='boxes',
  suffixes=('.csv', '.json'),
  recognises=lambda file: any(part.recognises(file) for part in _PARTS),
  read=_read,
)
