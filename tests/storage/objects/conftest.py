"""A real S3 server on loopback, a network in front of it that fails, and a bucket for each test."""

from __future__ import annotations

import itertools
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from .lossy_proxy import LossyProxy

ROOT = Path(__file__).resolve().parents[3]
SECRET = "a secret that must be nowhere"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    """Start the server, once for all tests."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.storage.objects.s3_server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert server.stdout is not None
    yield int(server.stdout.readline())
    server.kill()
    server.communicate()


@pytest.fixture
def network(s3_port: int) -> Iterator[LossyProxy]:
    """Give a network that works, until the test says otherwise."""
    proxy = LossyProxy(s3_port)
    yield proxy
    proxy.close()


@pytest.fixture
def url(s3_port: int, network: LossyProxy, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a bucket, say in the environment how to come there, and give the URL of a prefix in it."""
    name = f"bucket-{next(_numbers)}"
    made = urllib.request.Request(f"http://127.0.0.1:{s3_port}/{name}", method="PUT")
    urllib.request.urlopen(made, timeout=60).close()
    for key, value in environment(network).items():
        monkeypatch.setenv(key, value)
    return f"s3://{name}/some/prefix"


def environment(network: LossyProxy) -> dict[str, str]:
    """Return what a process needs to come to the server, and to read what others have signed."""
    return {
        "AWS_ENDPOINT_URL": network.url,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "NBFLOW_SIGNING_KEY": "a key that these tests have made up",
    }
