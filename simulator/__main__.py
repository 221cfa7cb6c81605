"""`python -m simulator`: the simulator as a server of its own."""

import argparse
import asyncio
import contextlib
import os
import sys

from simulator.harness import Simulator

_EPILOG = """\
example:
  TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001 TWILIO_AUTH_TOKEN=secret \\
      python -m simulator --host 127.0.0.1 --port 8002
  curl -N http://127.0.0.1:8002/simulator/calls -d '{"scenario": "one_tool", "to": "+12025550100",
      "from": "+12025550147", "voice_url": "http://127.0.0.1:8000/twilio/voice"}'

The product is pointed at it by OPENAI_REALTIME_URL=ws://127.0.0.1:8002/v1/realtime,
TWILIO_API_URL=http://127.0.0.1:8002, VAPI_API_URL=http://127.0.0.1:8002/vapi
and tool URLs http://127.0.0.1:8002/tools/NAME.
"""


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        description="Plays Twilio, the Realtime API, a customer's tool server and Vapi's REST on loopback.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8002, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    account_sid, auth_token = (
        os.environ.get(name, "") for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN")
    )
    if not account_sid or not auth_token:
        parser.error("set TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, to the same values as the product has")
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        try:
            asyncio.run(_serve(account_sid, auth_token, arguments.host, arguments.port))
        except OSError as error:
            sys.exit(f"Cannot listen on {arguments.host}:{arguments.port}: {error.strerror or error}")


async def _serve(account_sid: str, auth_token: str, host: str, port: int) -> None:
    async with Simulator(
        account_sid=account_sid, auth_token=auth_token, host=host, port=port, log_level="warning"
    ) as simulator:
        sys.stdout.write(f"simulator listens on {simulator.http_url}\n")
        sys.stdout.flush()
        await simulator.serve_forever()


if __name__ == "__main__":
    main()
