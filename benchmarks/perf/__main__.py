"""``python -m benchmarks.perf SECTION --threads N``: one section, one line of JSON."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from benchmarks.perf.measure import measure_here
from benchmarks.perf.sections import SECTIONS

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("section", choices=list(SECTIONS))
parser.add_argument("--threads", type=int, default=2)
given = parser.parse_args()
sys.stdout.write(json.dumps(asdict(measure_here(given.section, given.threads))) + "\n")
