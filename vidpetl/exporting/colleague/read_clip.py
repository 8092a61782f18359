"""Reads a film as the model beside this file wants it, by PyAV and NumPy alone.

  inputs = read_clip('film.mp4', json.load(open('preprocessing.json')))

Every number is in preprocessing.json.
"""

import av
import numpy as np

# Seconds by which containers round timestamps, at most; half a tick mostly.
ROUNDED = 1e-3


def read_clip(path, spec):
  """Returns the inputs of one film: {'video': [1, ...], 'size': [1, 2]}."""
  clip, frame = spec['clip'], spec['frame']
  seconds, film_fps = length(path)
  fps = clip['fps'] or film_fps
  times = np.atleast_2d(moments(clip, seconds, fps))
  shown = frames_at(path, times.ravel())
  side = frame['resolution']
  crops = spec['views']['crops']
  video = np.zeros((len(times), crops, times.shape[1], side, side, 3), np.uint8)
  for place, picture in enumerate(shown):
    k, t = divmod(place, times.shape[1])
    turned, ratio = picture.rotation % 180 != 0, square(picture)
    sizes = picture.height, max(1, round(picture.width * ratio))
    whole = resized(*(sizes[::-1] if turned else sizes), frame)
    pixels = rgb(picture, whole, turned, frame['interpolation'])
    for c, (top, left) in enumerate(corners(whole, frame, crops)):
      part = pixels[top : top + side, left : left + side]
      video[k, c, t, : part.shape[0], : part.shape[1]] = part
      size = part.shape[:2]
  video = video.reshape(-1, *video.shape[2:])
  if not spec['views']['axis']:
    video = video[0]
  return {'video': video[None], 'size': np.array([size], np.int32)}


def length(path):
  """Returns the seconds of a film, and its frames per second."""
  with av.open(path) as film:
    stream = film.streams.video[0]
    begin = (film.start_time or 0) / av.time_base
    last = max(
      (p.pts + (p.duration or 0)) * stream.time_base
      for p in film.demux(stream)
      if p.pts is not None
    )
    return float(last) - begin, float(stream.average_rate)


def moments(clip, seconds, fps):
  """Returns when the frames of each clip are shown, [clips, t] seconds."""
  count, clips, way = clip['frames'], clip['clips'], clip['sampling']
  steps = np.arange(count)
  if way == 'around':
    return seconds / 2 + (steps - count // 2) * clip['stride'] / fps
  frames = max(1, round(seconds * fps))
  if way == 'tail':
    begin = max(0, frames - count)
    return (np.minimum(begin + steps, frames - 1) + 0.5) / fps
  if way == 'spread':
    places = np.linspace(0, frames - 1, clips * count)
    found = (np.floor(places + 1e-6) + 0.5) / fps
    return found.reshape(count, clips).T
  if way == 'segments':
    places = (np.arange(clips)[:, None] + 0.5) / clips
    if clip['rounded']:
      bounds = np.round(np.arange(count + 1) * (frames - 1) / count)
      found = np.floor(bounds[:-1] + places * np.diff(bounds))
    else:
      found = np.floor((steps + places) * frames / count)
    return (np.minimum(found, frames - 1) + 0.5) / fps
  return even(clip, seconds, fps, steps)


def even(clip, seconds, fps, steps):
  """Returns the moments of sampling 'stride'."""
  step, clips = clip['stride'] / fps, clip['clips']
  slack = max(0.0, seconds - clip['frames'] * step)
  if clips == 1:
    begins = np.array([slack / 2])
  elif clip['places'] == 'centres':
    whole = (np.arange(clips) + 0.5) * (slack * fps + 1) / clips
    begins = np.minimum(np.floor(whole), slack * fps) / fps
  else:
    whole = np.round(np.linspace(0, slack * fps, clips))
    begins = np.minimum(whole, slack * fps) / fps
  if clip['short'] == 'stretch':
    step = min(step, seconds / clip['frames'])
  times = begins[:, None] + steps * step
  if clip['short'] == 'loop':
    loops = np.floor(times / seconds + 1e-6)
    return np.maximum(times - loops * seconds, 0)
  if clip['short'] == 'hold':
    within = times < seconds * (1 - 1e-6)
    within[:, 0] = True
    times = np.minimum(times, np.where(within, times, 0).max(1, keepdims=True))
  return times


def frames_at(path, times):
  """Returns the frame that is shown at each time."""
  found, order, done = [None] * len(times), np.argsort(times), 0
  with av.open(path) as film:
    stream = film.streams.video[0]
    begin = (film.start_time or 0) / av.time_base
    slack = min(float(stream.time_base) / 2, ROUNDED)
    last = None
    for frame in film.decode(stream):
      while (
        last is not None
        and done < len(times)
        and times[order[done]] + slack < frame.time - begin
      ):
        found[order[done]] = last
        done += 1
      last = frame
      if done == len(times):
        break
  for place in order[done:]:
    found[place] = last
  return found


def square(frame):
  """Returns the width of a pixel by its height."""
  ratio = getattr(frame, 'sample_aspect_ratio', None)
  return float(ratio) if ratio else 1.0


def resized(height, width, frame):
  """Returns height and width of a whole frame, before anything is cut."""
  if frame['resize'] == 'stretch':
    return tuple(frame['stretch'])
  longer = frame['resize'] == 'pad'
  reference = max(height, width) if longer else min(height, width)
  side = frame['resolution'] if longer else frame['short_side']
  return tuple(
    max(1, (2 * n * side + reference) // (2 * reference))
    for n in (height, width)
  )


def rgb(frame, whole, turned, interpolation):
  """Returns a frame upright in a size, uint8 [height, width, 3]."""
  height, width = whole[::-1] if turned else whole
  kind = av.video.reformatter.Interpolation[interpolation.upper()]
  scaled = frame.reformat(width, height, 'rgb24', interpolation=kind)
  return np.rot90(scaled.to_ndarray(), (frame.rotation // 90) % 4)


def corners(whole, frame, crops):
  """Returns where the squares begin, top and left."""
  if frame['resize'] == 'pad':
    return [(0, 0)]
  slack = [n - frame['resolution'] for n in whole]
  middle = [n // 2 for n in slack]
  if crops == 1:
    return [tuple(middle)]
  longer = int(np.argmax(whole))
  found = []
  for place in (0, middle[longer], slack[longer]):
    corner = list(middle)
    corner[longer] = place
    found.append(tuple(corner))
  return found
