"""One thread a process: results do not depend on how busy the machine is, and nor does patience."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported, and for every child process

import torch

torch.set_num_threads(1)
