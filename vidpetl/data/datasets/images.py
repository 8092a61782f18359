"""Image datasets that TFDS downloads and prepares itself.

    python -c "import tensorflow_datasets as tfds; tfds.builder('<name>', \\
      data_dir='<folder>', file_format='array_record').download_and_prepare()"

The source 'tfds_images' opens what this leaves in <folder>.
"""

from __future__ import annotations

from vidpetl.data import dataset as dataset_lib

DATASETS = (
  dataset_lib.Dataset(
    name='cifar100',
    kind='classification',
    title='CIFAR-100',
    description='CIFAR-100: small photographs of a hundred kinds of things.',
    layout=__doc__,
    citation="""@techreport{krizhevsky2009learning,
  title={Learning Multiple Layers of Features from Tiny Images},
  author={Krizhevsky, Alex},
  institution={University of Toronto},
  year={2009}}""",
    licence='Not stated; see https://www.cs.toronto.edu/~kriz/cifar.html.',
    splits=('train', 'test'),
    num_classes=100,
    demo_classes=100,  # ten of them are drawn; TFDS keeps the list of all
  ),
  dataset_lib.Dataset(
    name='svhn_cropped',
    kind='classification',
    title='SVHN',
    description='SVHN: digits of house numbers.',
    layout=__doc__,
    citation="""@inproceedings{netzer2011reading,
  title={Reading Digits in Natural Images with Unsupervised Feature Learning},
  author={Netzer, Yuval and Wang, Tao and Coates, Adam and Bissacco,
    Alessandro and Wu, Bo and Ng, Andrew Y.},
  booktitle={NIPS Workshop on Deep Learning and Unsupervised Feature Learning},
  year={2011}}""",
    licence=(
      'For non-commercial use, as its page says '
      '(http://ufldl.stanford.edu/housenumbers/).'
    ),
    splits=('train', 'test'),
    num_classes=10,
    mirrored=False,  # a mirrored digit is none
    demo_classes=10,
  ),
  dataset_lib.Dataset(
    name='food101',
    kind='classification',
    title='Food-101',
    description='Food-101: photographs of dishes.',
    layout=__doc__,
    citation="""@inproceedings{bossard2014food,
  title={{Food-101}: Mining Discriminative Components with Random Forests},
  author={Bossard, Lukas and Guillaumin, Matthieu and Van Gool, Luc},
  booktitle={ECCV},
  year={2014}}""",
    licence=(
      'Not stated in its files; see '
      'https://data.vision.ee.ethz.ch/cvl/datasets_extra/food-101/.'
    ),
    splits=('train', 'validation'),
    num_classes=101,
    demo_classes=101,
  ),
)
