"""mmcli beside other programs and beside the machine, on one core and on all: one table, made in one run.

    pip install torch==2.13.0 tomotopy==0.14.0 gensim==4.4.0
    python benchmarks/peers.py

Programs that are not installed are left out. A row is an amount of work that all of its programs do, in turns; the times
are medians. "Products" is the share of mmcli's time that the matrix products of the row take, of the same shapes and alone.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from cores import limit_cores
from whole import measure

REFERENCE_SECONDS = 5594  # Serket on the tutorial's pairs, five rounds, one core; data/README.md names it
Product = tuple[int, tuple[int, int, int]]  # how often, and (rows, inner, columns)


class Task(NamedTuple):
    """Work that several programs do; `jobs` has mmcli first."""

    name: str
    jobs: Mapping[str, Callable[[], Any]]
    products: tuple[Product, ...]


def vae_task(epochs: int) -> Task:
    """Epochs of the tutorial's VAE on the bundled images."""
    from timing import bundled

    images = bundled("images")
    jobs: dict[str, Callable[[], Any]] = {}
    if importlib.util.find_spec("torch"):
        import torch
        from vae_vs_pytorch import BATCH_SIZE, HIDDEN_DIM, LATENT_DIM, mmcli_epochs, pytorch_epochs

        torch.set_num_threads(len(os.sched_getaffinity(0)))
        jobs = {"mmcli": mmcli_epochs(images, epochs), "PyTorch": pytorch_epochs(images, epochs)}
