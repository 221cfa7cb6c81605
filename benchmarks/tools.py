"""Measures the way of a tool call to its server and back, beside a plain requests.post. Example in --help."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.needs import ensure_needs

if __name__ == "__main__":
    ensure_needs()
    from benchmarks.tool_path import main

    sys.exit(main(sys.argv[1:]))
