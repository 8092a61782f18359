"""Boxes fit the figures, and motions are what tells actions apart."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from vidpetl.world import (
  behaviours,
  body,
  canvas,
  closeup,
  handling,
  motions,
  scene,
)
from vidpetl.world.datasets import (
  ava,
  kinetics400,
  moments_in_time,
  something_something_v2,
)

SIZE = (128, 96)


def film(names, key='film'):
  """A scene of people who do the named behaviours for three seconds."""
  rng = scene.generator(key, 'script')
  scripts = [
    behaviours.script(rng, [name], [0.0, 1e6], sociable=False) for name in names
  ]
  return scene.stage((key,), scripts, 3.0, SIZE, 15)


def mask(filmed, person):
  """[t, h, w] where a person is drawn, without anything before him."""
  white = [
    dataclasses.replace(shape, colour=(255, 255, 255), outline=None)
    for shape in filmed.bodies[person]
  ]
  side = np.ones((len(filmed.times), 3))
  black = Image.new('RGB', (600, 500))
  frames = canvas.render(
    black, white, filmed.camera, canvas.Light(side, 0.0), SIZE,
    scene.generator('mask'),
  )  # fmt: skip
  return np.stack([frame[..., 0] > 40 for frame in frames])


@pytest.mark.parametrize('name', list(behaviours.BEHAVIOURS))
def test_box_is_the_extent_of_the_figure(name):
  filmed = film([name], key=name)
  boxes, seen = filmed.boxes(0)
  for box, share, drawn in list(zip(boxes, seen, mask(filmed, 0)))[::5]:
    if share < scene.MIN_SEEN:
      continue
    y, x = np.nonzero(drawn)
    extent = [x.min(), y.min(), x.max() + 1, y.max() + 1]
    # A limb's round end may cover too little of the outermost pixel.
    assert np.abs(box * [*SIZE, *SIZE] - extent).max() <= 1.5


def test_people_move_but_not_by_the_camera_alone():
  filmed = film(['dance'])
  still = dataclasses.replace(
    filmed.camera,
    centre=np.broadcast_to(filmed.camera.centre[0], (45, 2)),
    zoom=np.ones(45),
  )
  moving, _ = canvas.extents(filmed.bodies[0], still)
  assert np.ptp(moving, axis=0).max() > 0.05


@pytest.mark.parametrize(
  'forth, back', [('lift', 'put_down'), ('open', 'close')]
)
def test_pairs_are_each_others_reverse(forth, back):
  times = np.arange(60) / 15
  style = motions.Style(phase=0.0)
  poses = body.Pose.standing(60), body.Pose.standing(60)
  there = handling.ACTS[forth](times, style, poses[0])
  again = handling.ACTS[back](-times, style, poses[1])
  np.testing.assert_allclose(poses[0].hands, poses[1].hands, atol=1e-9)
  for one, other in zip(there, again):
    np.testing.assert_allclose(one.points, other.points, atol=1e-9)


@pytest.mark.parametrize('name, sign', [('push', 1), ('pull', -1)])
def test_cart_is_pushed_forwards_and_pulled_backwards(name, sign):
  filmed = film([name], key=f'cart {name}')
  person = filmed.people[0]
  cart = next(
    shape
    for shape in filmed.moving
    if shape.visible is not None
    and shape.colour == person.look.palette['object']
  )
  torso = np.mean([s.points.mean(1)[:, 0] for s in filmed.bodies[0]], 0)
  ahead = np.sign(cart.points.mean(1)[:, 0] - torso)
  step = np.diff(cart.points.mean(1)[:, 0])
  same_way = ahead[1:] == ahead[:-1]
  moves = (np.sign(step) == sign * ahead[1:])[same_way]
  assert moves.mean() > 0.95


def test_a_gesture_held_still_is_not_an_action():
  action = next(
    action
    for seed in range(200)
    for action in behaviours.script(
      scene.generator(seed), ['stand'], [0, 1], sociable=False
    )
    if action.act_style.held and 'wave' in action.acts
  )
  assert behaviours.shown(action) == {'stand'}
  pose = body.Pose.standing(30)
  handling.wave(np.arange(30) / 15, action.act_style, pose)
  assert np.ptp(pose.hands, axis=0).max() == 0


def test_classification_datasets_show_the_rare_actions():
  shown = set()
  for module in (kinetics400, moments_in_time):
    for choices in module.CLASSES.values():
      for name in choices:
        shown |= behaviours.BEHAVIOURS[name].shows
  rare = set()
  for name, share in ava.SHARES['train'].items():
    if share <= 1:
      rare |= behaviours.BEHAVIOURS[name].shows
  assert rare <= shown | {'stand', 'sit', 'walk'}


@pytest.mark.parametrize(
  'action', list(something_something_v2.CLASSES.values())
)
def test_object_of_a_close_up_stays_in_view(action):
  filmed = closeup.stage(('close-up', action), action, 2.5, SIZE, 15)
  thing = [s for s in filmed.moving if s.layer == 2.0]
  _, seen = canvas.extents(thing, filmed.camera)
  assert seen.min() > 0.5


def test_shares_are_dealt_exactly():
  dealt = behaviours.deal(
    scene.generator('deal'), {'a': 50, 'b': 1, 'c': 49}, 200
  )
  assert [dealt.count(name) for name in 'abc'] == [100, 2, 98]
