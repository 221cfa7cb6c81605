"""Where files are kept that are no part of the program: Django's STORAGES."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

FILES = "django.core.files.storage.FileSystemStorage"
# How long a link to the sound of a call is good for whoever was allowed to hear it, in seconds.
LINK_LIVES_S = 900


def recordings_in_folder(folder: Path) -> dict[str, Any]:
    """Recordings in a folder that nobody else on the machine may read."""
    return {
        "BACKEND": FILES,
        "OPTIONS": {
            "location": str(folder),
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def _patience() -> Any:
    # Only where it is installed, and wanted.
    config: Any = import_module("botocore.config")
    return config.Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2})


def recordings_in_bucket(*, bucket: str, prefix: str, endpoint: str, region: str) -> dict[str, Any]:
    """Recordings in a bucket of S3, or of what speaks like it. Keys are found as by every AWS program."""
    if find_spec("storages") is None or find_spec("boto3") is None:
        raise ImproperlyConfigured(
            "RECORDINGS_S3_BUCKET is set, and what speaks to S3 is not installed: pip install -r requirements-s3.txt"
        )
    return {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": bucket,
            "location": prefix,
            "endpoint_url": endpoint or None,
            "region_name": region or None,
            "default_acl": None,
            "file_overwrite": False,
            "querystring_auth": True,
            "querystring_expire": LINK_LIVES_S,
            # Boto's own limits are a minute each, tried five times: a bucket that hangs would hold whoever waits for five minutes.
            "client_config": _patience(),
        },
    }
