"""What an error of an object store means to a person: it says what to check, and shows no credentials."""

from __future__ import annotations

import re

from nbflow.errors import StorageError, StorageReadOnly, StorageUnreachable

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>|\"(?:code|error)\": ?\"(\w+)\"")
_SAFE = "What was acknowledged before is safe."


def refusal(url: str, error: BaseException) -> StorageError:
    """Return the StorageError for what obstore raised."""
    text = str(error)
    status = match[1] if (match := _STATUS.search(text)) else ""
    code = next((group for group in match.groups() if group), "") if (match := _CODE.search(text)) else ""
    kind = type(error).__name__
    if code in ("RequestTimeTooSkewed", "RequestExpired"):
        return StorageError(
            f"{url}: the clock of this machine is wrong by many minutes, and the object store refuses what it signs "
            f"({code}). Set the clock (`timedatectl set-ntp true`), and try again. {_SAFE}"
        )
    if code in ("NoSuchBucket", "ContainerNotFound") or (kind == "NotFoundError" and "ucket" in text):
        return StorageError(f"{url}: there is no such bucket. Make it first, or check its name and the region.")
    if kind == "UnauthenticatedError" or status == "401" or code in ("InvalidAccessKeyId", "SignatureDoesNotMatch"):
        return StorageError(
            f"{url}: the object store does not accept the credentials ({code or status or 'not authenticated'}). Set "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (for gs:// GOOGLE_APPLICATION_CREDENTIALS, for az:// "
            f"AZURE_STORAGE_ACCOUNT_KEY), or give init(storage_options={{...}}). {_SAFE}"
        )
    if code in ("ExpiredToken", "TokenRefreshRequired"):
        return StorageUnreachable(f"{url}: the credentials have expired ({code}): renew them. {_SAFE}")
    if kind == "PermissionDeniedError" or status == "403":
        return StorageReadOnly(
            f"{url}: the credentials do not allow this ({code or status or 'permission denied'}): they need to list, "
            f"read, write and delete objects below this prefix. {_SAFE}"
        )
    if "credential" in text.lower() and not status:
        return StorageError(
            f"{url}: no credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or "
            "give init(storage_options={...})."
        )
    if not status or status[0] == "5" or status in ("408", "429"):
        return StorageUnreachable(
            f"{url}: no answer from the object store ({code or status or 'no connection'}). Nothing was acknowledged "
            "and nothing is lost: check the network, and the run goes on from its last checkpoint when it is back."
        )
    return StorageError(f"{url}: the object store refused a request ({code or status}). {_SAFE}")
