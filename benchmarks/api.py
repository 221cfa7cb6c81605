"""Measures the API through a real server: lists of calls and assistants, and placing a call, beside a bare view. Example in --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.needs import ensure_needs

if __name__ == "__main__":
    ensure_needs()
    from benchmarks.api_runs import main

    sys.exit(main(sys.argv[1:]))
