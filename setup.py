"""Installs vidpetl: `pip install -e .`, or exactly what was tested with
`pip install -e .[test] -c constraints.txt`."""

import pathlib
import re

import setuptools

HERE = pathlib.Path(__file__).parent
VERSION = re.search(
  r"^__version__ = '([^']+)'$",
  (HERE / 'vidpetl' / 'version.py').read_text(encoding='utf-8'),
  re.MULTILINE,
)[1]

# TensorFlow reads and decodes; it needs no accelerator, and its small build is
# not published for every machine.
SMALL_TF = "platform_machine in 'x86_64 AMD64' and platform_system != 'Darwin'"
LARGE_TF = (
  "platform_machine not in 'x86_64 AMD64' or platform_system == 'Darwin'"
)

setuptools.setup(
  name='vidpetl',
  version=VERSION,
  description='Adapting large video models with few trained parameters.',
  long_description=(HERE / 'README.md').read_text(encoding='utf-8'),
  long_description_content_type='text/markdown',
  author='The vidpetl authors',
  license='Apache-2.0',
  license_files=['LICENSE'],
  keywords='video, jax, flax, transfer learning, adapter, lora, peft',
  classifiers=[
    'Development Status :: 4 - Beta',
    'Environment :: Console',
    'Intended Audience :: Science/Research',
    'Operating System :: POSIX',
    'Programming Language :: Python :: 3',
    'Programming Language :: Python :: 3.11',
    'Programming Language :: Python :: 3.12',
    'Programming Language :: Python :: 3.13',
    'Topic :: Scientific/Engineering :: Artificial Intelligence',
    'Topic :: Scientific/Engineering :: Image Recognition',
  ],
  python_requires='>=3.11',
  # A wheel carries the configs, where `vidpetl.recipes.named` finds them.
  packages=[
    *setuptools.find_packages(include=['vidpetl', 'vidpetl.*']),
    'vidpetl.configs',
  ],
  package_dir={'vidpetl.configs': 'configs'},
  package_data={
    'vidpetl': ['models/*/*', 'recipes/sizes.json', 'serving/page/*']
  },
  entry_points={'console_scripts': ['vidpetl = vidpetl.cli:main']},
  # Lower bounds are the oldest versions that the tests were run with:
  # `bash launch/oldest.sh`.
  install_requires=[
    'absl-py>=2.1',
    'array-record>=0.6',
    'av>=18.1',
    'clu>=0.0.12',
    'dm-pix>=0.4.3',
    'einops>=0.8',
    'etils[epath,epy]>=1.14',
    'flax>=0.11',
    'jax>=0.7.1',
    'matplotlib>=3.9',
    'ml-collections>=1.0',
    'numpy>=2.0.2',
    'optax>=0.2.5',
    'orbax-checkpoint>=0.11.24',
    'pillow>=10.3',
    'python-calamine>=0.3',
    'pyyaml>=6.0.1',
    'safetensors>=0.8',
    'scipy>=1.13.1',
    # clu's metric writers import it and do not say so.
    'tensorboard>=2.19',
    'tensorflow-datasets>=4.9.8',
    f'tensorflow-cpu>=2.19; {SMALL_TF}',
    f'tensorflow>=2.19; {LARGE_TF}',
    'tqdm>=4.66',
    'xxhash>=3.1',
  ],
  extras_require={
    'beam': ['apache-beam'],
    'cuda': ['jax[cuda12]'],
    'docs': ['mkdocs-material>=9.8', 'mkdocstrings[python]>=1.0'],
    'mlflow': ['mlflow-skinny>=3.17'],
    # It asks for an orbax-checkpoint that is older than the pinned one.
    'onnx': ['jax2onnx>=0.17', 'onnx>=1.23', 'onnxruntime>=1.32'],
    # OpenCV 5 has no HOG detector. `trackers` asks for opencv-python by name.
    'predict': ['onnxruntime>=1.23', 'opencv-python>=4.10,<5', 'trackers>=2.6'],
    'real': ['onnx>=1.23', 'onnxruntime>=1.32'],
    # Gradio 6 asks for pillow<13, and takes uploads in by a way of its own; the
    # page needs no more than this.
    'serve': ['python-multipart>=0.0.20', 'starlette>=0.47', 'uvicorn>=0.34'],
    'test': [
      'httpx2>=2.16',
      'hypothesis>=6.100',
      'imageio-ffmpeg>=0.8.1',
      'mlflow-skinny>=3.17',
      'onnx>=1.19',
      'onnxruntime>=1.23',
      'opencv-python>=4.10,<5',
      'openpyxl>=3.1',
      'playwright>=1.49',
      'pytest>=8.0.2',
      'pytest-xdist>=3.6.1',
      'python-multipart>=0.0.20',
      'ruff>=0.17.5',
      'starlette>=1.10',
      'trackers>=2.6',
      'uvicorn>=0.34',
      'wandb>=0.31',
    ],
    'torch': [
      'peft>=0.21',
      'timm>=1.0.31',
      'torch',
      'torchvision',
      'transformers>=5.23',
    ],
    'tpu': ['jax[tpu]'],
    'wandb': ['wandb>=0.31'],
  },
)
