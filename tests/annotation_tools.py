"""The truth of `annotated`, written as each annotation tool does."""

import csv
import io
import json
from xml.sax.saxutils import escape, quoteattr

from annotated import (
  ACTIONS,
  FILMS,
  FPS,
  FRAMES,
  HEIGHT,
  WIDTH,
  of_film,
  rows,
)


def cvat_meta(name, frames=FRAMES, size=(WIDTH, HEIGHT)):
  """Returns CVAT's <meta>, where each action is a checkbox of a person."""
  attributes = ''.join(
    f'<attribute><name>{escape(action)}</name><mutable>True</mutable>'
    '<input_type>checkbox</input_type><default_value>false</default_value>'
    '<values>false</values></attribute>'
    for action in ACTIONS
  )
  return (
    f'<meta><task><id>7</id><name>{escape(name)}</name><size>{frames}</size>'
    '<mode>interpolation</mode><start_frame>0</start_frame>'
    f'<stop_frame>{frames - 1}</stop_frame><labels><label><name>person</name>'
    f'<attributes>{attributes}</attributes></label></labels><original_size>'
    f'<width>{size[0]}</width><height>{size[1]}</height></original_size>'
    f'</task><dumped>2026</dumped><source>{escape(name)}.mp4</source></meta>'
  )


def _ticks(box):
  return ''.join(
    f'<attribute name={quoteattr(action)}>'
    f'{str(i in box.actions).lower()}</attribute>'
    for i, action in enumerate(ACTIONS)
  )


def _cvat_corners(box):
  names = ('xtl', 'ytl', 'xbr', 'ybr')
  return ' '.join(f'{n}="{c:.2f}"' for n, c in zip(names, box.corners))


def cvat_video(folder, boxes):
  """Writes an xml for each film; returns the command line's words."""
  paths = []
  for name in FILMS:
    tracks = ''
    for person in (1, 2):
      tracks += f'<track id="{person}" label="person" source="manual">'
      mine = [b for b in of_film(boxes, name) if b.person == person]
      for box in mine:
        tracks += (
          f'<box frame="{box.frame}" keyframe="1" outside="0" occluded="0" '
          f'{_cvat_corners(box)} z_order="0">{_ticks(box)}</box>\n'
        )
      tracks += (
        f'<box frame="{mine[-1].frame + 1}" keyframe="1" outside="1" '
        f'occluded="0" {_cvat_corners(mine[-1])} z_order="0"></box></track>\n'
      )
    path = folder / f'{name}.xml'
    path.write_text(
      '<?xml version="1.0" encoding="utf-8"?>\n<annotations>'
      f'<version>1.1</version>{cvat_meta(name)}\n{tracks}</annotations>',
      encoding='utf-8',
    )
    paths.append(str(path))
  return [*paths, '--fps=10', '--action=checkboxes']


def _by_frame(boxes):
  found = {}
  for box in boxes:
    found.setdefault((box.film, box.frame), []).append(box)
  return found


def cvat_images(folder, boxes):
  """Writes one xml of pictures in folders."""
  images = ''
  for i, ((name, frame), found) in enumerate(_by_frame(boxes).items()):
    inside = ''.join(
      f'<box label="person" {_cvat_corners(box)} z_order="0">{_ticks(box)}'
      f'<attribute name="track_id">{box.person}</attribute></box>\n'
      for box in found
    )
    images += (
      f'<image id="{i}" name={quoteattr(f"{name}/frame_{frame:06d}.PNG")} '
      f'width="{WIDTH}" height="{HEIGHT}">{inside}</image>\n'
    )
  path = folder / 'annotations.xml'
  path.write_text(f'<annotations>{images}</annotations>', encoding='utf-8')
  return [str(path), '--fps=10', '--action=checkboxes']


def _rect(box):
  return dict(zip(('x', 'y', 'width', 'height'), box.xywh), name='rect')


def _picked(box):
  ticked = {a: i in box.actions for i, a in enumerate(ACTIONS)}
  return {'action': ticked, 'id': str(box.person)}


def via_csv(folder, boxes):
  """Writes VIA 2's csv."""
  out = io.StringIO()
  writer = csv.writer(out)
  writer.writerow(
    [
      'filename',
      'file_size',
      'file_attributes',
      'region_count',
      'region_id',
      'region_shape_attributes',
      'region_attributes',
    ]
  )
  for (name, frame), found in _by_frame(boxes).items():
    for i, box in enumerate(found):
      start = [f'{name}_{frame:05d}.jpg', 1000, '{}', len(found), i]
      writer.writerow(
        [*start, json.dumps(_rect(box)), json.dumps(_picked(box))]
      )
  (folder / 'via_export.csv').write_text(out.getvalue(), encoding='utf-8')
  return [str(folder / 'via_export.csv'), '--fps=10', '--size=64x48']


def via_json(folder, boxes):
  """Writes VIA 2's project."""
  pictures = {}
  for (name, frame), found in _by_frame(boxes).items():
    file = f'{name}_{frame:05d}.jpg'
    regions = [
      {'shape_attributes': _rect(b), 'region_attributes': _picked(b)}
      for b in found
    ]
    pictures[f'{file}1000'] = {
      'filename': file,
      'size': 1000,
      'regions': regions,
      'file_attributes': {},
    }
  options = dict.fromkeys(ACTIONS, '')
  project = {
    '_via_settings': {},
    '_via_img_metadata': pictures,
    '_via_attributes': {
      'region': {'action': {'type': 'checkbox', 'options': options}}
    },
  }
  (folder / 'via.json').write_text(json.dumps(project), encoding='utf-8')
  return [str(folder / 'via.json'), '--fps=10', '--size=64x48']


def _via3_attributes():
  options = {str(i): action for i, action in enumerate(ACTIONS)}
  return {
    '1': {'aname': 'action', 'type': 2, 'options': options},
    '2': {'aname': 'person_id', 'type': 1, 'options': {}},
  }


def _via3_values(box):
  return {'1': ','.join(map(str, box.actions)), '2': str(box.person)}


def via3_csv(folder, boxes):
  """Writes VIA 3's csv."""
  lines = [
    '# Exported using VGG Image Annotator',
    '# SHAPE_ID = {"POINT":1,"RECTANGLE":2}',
    f'# ATTRIBUTE = {json.dumps(_via3_attributes(), ensure_ascii=False)}',
    '# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,'
    'spatial_coordinates,metadata',
  ]
  out = io.StringIO()
  for i, box in enumerate(boxes):
    csv.writer(out, lineterminator='\n').writerow(
      [
        f'1_{i}',
        json.dumps([f'{box.film}.mp4'], ensure_ascii=False),
        0,
        json.dumps([box.frame / FPS]),
        json.dumps([2, *box.xywh]),
        json.dumps(_via3_values(box)),
      ]
    )
  text = '\n'.join(lines) + '\n' + out.getvalue()
  (folder / 'via3.csv').write_text(text, encoding='utf-8')
  return [str(folder / 'via3.csv'), '--size=64x48']


def via3_json(folder, boxes):
  """Writes VIA 3's project."""
  number = {name: str(i) for i, name in enumerate(FILMS, 1)}
  project = {
    'project': {'pname': 'x'},
    'attribute': _via3_attributes(),
    'file': {
      n: {'fid': n, 'fname': f'{name}.mp4', 'type': 4}
      for name, n in number.items()
    },
    'view': {n: {'fid_list': [n]} for n in number.values()},
    'metadata': {
      f'{number[b.film]}_{i}': {
        'vid': number[b.film],
        'flg': 0,
        'z': [b.frame / FPS],
        'xy': [2, *b.xywh],
        'av': _via3_values(b),
      }
      for i, b in enumerate(boxes)
    },
  }
  (folder / 'via3.json').write_text(json.dumps(project), encoding='utf-8')
  return [str(folder / 'via3.json'), '--size=64x48']


def labelme(folder, boxes):
  """Writes a json for each picture; corners in any order."""
  (folder / 'labelme').mkdir()
  for (name, frame), found in _by_frame(boxes).items():
    shapes = []
    for box in found:
      x1, y1, x2, y2 = box.corners
      polygon = [[x2, y1], [x1, y1], [x1, y2], [x2, y2]]
      shapes.append(
        {
          'label': 'person',
          'points': [[x2, y2], [x1, y1]] if box.person == 1 else polygon,
          'shape_type': 'rectangle' if box.person == 1 else 'polygon',
          'group_id': box.person,
          'flags': {a: i in box.actions for i, a in enumerate(ACTIONS)},
        }
      )
    document = {
      'version': '5.4',
      'shapes': shapes,
      'imagePath': f'..\\{name}\\{frame:05d}.jpg',
      'imageData': 'A' * 200_000,
      'imageHeight': HEIGHT,
      'imageWidth': WIDTH,
    }
    path = folder / 'labelme' / f'{name}_{frame:05d}.json'
    path.write_text(json.dumps(document), encoding='utf-8')
  path = str(folder / 'labelme')
  return [path, '--fps=10', '--action=checkboxes']


def coco(folder, boxes):
  """Writes COCO-VID, with actions among the attributes."""
  moments = list(_by_frame(boxes))
  document = {
    'videos': [
      {'id': i, 'name': name, 'fps': FPS} for i, name in enumerate(FILMS)
    ],
    'images': [
      {
        'id': i,
        'file_name': f'{name}/{frame:06d}.jpg',
        'video_id': FILMS.index(name),
        'frame_id': frame,
        'width': WIDTH,
        'height': HEIGHT,
      }
      for i, (name, frame) in enumerate(moments)
    ],
    'categories': [{'id': 1, 'name': 'person'}],
    'annotations': [
      {
        'id': i,
        'image_id': moments.index((box.film, box.frame)),
        'category_id': 1,
        'bbox': list(box.xywh),
        'iscrowd': 0,
        'track_id': box.person,
        'attributes': {a: j in box.actions for j, a in enumerate(ACTIONS)},
      }
      for i, box in enumerate(boxes)
    ],
  }
  (folder / 'coco.json').write_text(json.dumps(document), encoding='utf-8')
  return [str(folder / 'coco.json'), '--action=checkboxes']


def coco_images(folder, boxes):
  """Writes COCO of pictures, with the actions for categories from 0."""
  moments = list(_by_frame(boxes))
  document = {
    'images': [
      {
        'id': i,
        'file_name': f'{name}_{frame:06d}.jpg',
        'width': WIDTH,
        'height': HEIGHT,
      }
      for i, (name, frame) in enumerate(moments)
    ],
    'categories': [
      {'id': i, 'name': action} for i, action in enumerate(ACTIONS)
    ],
    'annotations': [
      {
        'id': i,
        'image_id': moments.index((box.film, box.frame)),
        'category_id': box.actions[0],
        'bbox': str(list(box.xywh)),
        'attributes': {'track_id': box.person, 'occluded': False},
      }
      for i, box in enumerate(boxes)
    ],
  }
  (folder / 'coco.json').write_text(json.dumps(document), encoding='utf-8')
  return [str(folder / 'coco.json'), '--fps=10']


def yolo(folder, boxes):
  """Writes a txt for each frame, and data.yaml."""
  labels = folder / 'yolo' / 'labels'
  labels.mkdir(parents=True)
  for (name, frame), found in _by_frame(boxes).items():
    lines = []
    for box in found:
      x, y, w, h = box.xywh
      cells = [(x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT]
      numbers = ' '.join(f'{cell:.8f}' for cell in cells)
      lines.append(f'{box.actions[0]} {numbers} {box.person}\n')
    (labels / f'{name}_{frame}.txt').write_text(''.join(lines))
  names = dict(enumerate(ACTIONS))
  (folder / 'yolo' / 'data.yaml').write_text(json.dumps({'names': names}))
  return [str(labels), '--fps=10']


def mot(folder, boxes):
  """Writes a folder for each film; frames count from 1."""
  for name in FILMS:
    gt = folder / 'mot' / name / 'gt'
    gt.mkdir(parents=True)
    lines = [
      f'{b.frame + 1},{b.person},{",".join(map(str, b.xywh))},1,'
      f'{b.actions[0] + 1},1.0\n'
      for b in of_film(boxes, name)
    ]
    (gt / 'gt.txt').write_text(''.join(lines))
    (gt / 'labels.txt').write_text(''.join(f'{a}\n' for a in ACTIONS))
    (gt.parent / 'seqinfo.ini').write_text(
      f'[Sequence]\nname={name}\nimDir=img1\nframeRate={FPS}\n'
      f'seqLength={FRAMES}\nimWidth={WIDTH}\nimHeight={HEIGHT}\nimExt=.jpg\n',
      encoding='utf-8',
    )
  return [str(folder / 'mot')]


def ava(folder, boxes):
  """Writes AVA's csv."""
  out = io.StringIO()
  csv.writer(out).writerows(rows(boxes))
  (folder / 'ava.csv').write_text(out.getvalue(), encoding='utf-8')
  names = ''.join(f'{i}: {a}\n' for i, a in enumerate(ACTIONS, 1))
  (folder / 'names.txt').write_text(names)
  return [str(folder / 'ava.csv'), f'--names={folder / "names.txt"}']


# Writer -> whether it holds several actions of a person.
WRITERS = {
  cvat_video: True,
  cvat_images: True,
  via_csv: True,
  via_json: True,
  via3_csv: True,
  via3_json: True,
  labelme: True,
  coco: True,
  ava: True,
  coco_images: False,
  yolo: False,
  mot: False,
}
