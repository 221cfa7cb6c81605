# Sourced by bin/run and bin/test. For bash 3.2 and newer.

# Prints the first Python that is new enough. Those inside virtual environments are passed over by setup.py itself.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    return 1
}

# prepare FILE…: .venv with what these requirements files name, or an end with a message.
prepare() {
    local python
    if ! python="$(find_python)"; then
        echo "Tandem needs Python 3.11 or newer, and none is on the PATH. Install it, for example:" >&2
        if [ "$(uname -s)" = Darwin ]; then
            echo "  brew install python@3.12" >&2
        elif [ "$(id -u)" = 0 ]; then
            echo "  apt-get update && apt-get install -y python3 python3-venv" >&2
        else
            echo "  sudo apt-get update && sudo apt-get install -y python3 python3-venv" >&2
        fi
        exit 1
    fi
    PYTHONDONTWRITEBYTECODE=1 "$python" bin/setup.py "$@" || exit $?
}
