"""The options of bin/run."""

import argparse

EXAMPLES = """examples:
  bin/run                  set up, start everything, take one simulated call, serve until Ctrl-C
  bin/run --port 9000      web on 9000, media on the next free port
  bin/run --once           take one simulated call, print it and end; the exit status says whether it went well
  bin/run --fresh          start over with an empty database

A file .env in the project's folder (KEY=VALUE lines, see .env.example) is read; variables that are set win over it.
Without OPENAI_API_KEY and TWILIO_AUTH_TOKEN a simulator plays both parties (and Vapi, unless
VAPI_API_KEY is set), and nothing leaves this machine."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options: port, once, fresh, call. Ends the process for --help and for nonsense."""
    parser = argparse.ArgumentParser(
        prog="bin/run",
        description="Start Tandem on this machine.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8000,
        metavar="N",
        help="port of web (default 8000, or the next one that is free)",
    )
    parser.add_argument("--once", action="store_true", help="take one simulated call, print it and end")
    parser.add_argument("--fresh", action="store_true", help="delete the data of earlier runs first")
    parser.add_argument("--no-call", dest="call", action="store_false", help="do not take a simulated call")
    options = parser.parse_args(arguments)
    if options.once and not options.call:
        parser.error("--once takes a call; it does not go with --no-call")
    return options


def _port(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 65000:
        raise argparse.ArgumentTypeError(f"{number} is not between 1 and 65000")
    return number
