"""A form with one file as the bytes of a request body. Pure."""

from __future__ import annotations

from collections.abc import Mapping


def multipart(
    fields: Mapping[str, str], *, name: str, mime: str, data: bytes, digest: str
) -> tuple[str, bytes]:
    """
    Return the content type and the body: the fields in their order, then the file, as object storage wants it.

    Args:
        fields: Printable ASCII without quotes.
        digest: sha256 of the data in hex; data cannot hold a boundary made of its own digest.
    """
    boundary = f"--------{digest[:48]}"
    head = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
        for field, value in fields.items()
    )
    head += (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {mime}\r\n\r\n"
    )
    body = b"".join((head.encode("ascii"), data, f"\r\n--{boundary}--\r\n".encode("ascii")))
    return f"multipart/form-data; boundary={boundary}", body
