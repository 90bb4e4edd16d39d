"""From httpx's response to a reply of ours, or to the fault that stood in its way."""

from __future__ import annotations

from typing import cast

import httpx

from volc_dashscope._http.body import Body, TooLarge, Undecodable, fault
from volc_dashscope._types import Fault, Reply, Request

FAULTS = (httpx.HTTPError, httpx.StreamError, Undecodable, TooLarge)


def read(request: Request, response: httpx.Response) -> Reply:
    """Read the whole body and close the response. Raises one of `FAULTS`."""
    try:
        body = _body(request, response)
        whole = response.is_stream_consumed
        for chunk in response.iter_bytes() if whole else cast(httpx.SyncByteStream, response.stream):
            body.take(chunk)
    finally:
        response.close()
    return body.reply()


async def aread(request: Request, response: httpx.Response) -> Reply:
    """As `read`."""
    try:
        body = _body(request, response)
        whole = response.is_stream_consumed
        async for chunk in response.aiter_bytes() if whole else cast(httpx.AsyncByteStream, response.stream):
            body.take(chunk)
    finally:
        await response.aclose()
    return body.reply()


def _body(request: Request, response: httpx.Response) -> Body:
    # A hook of the user's may have read it.
    return Body(request, response.status_code, response.headers.raw, unpacked=response.is_stream_consumed)


def fault_of(error: Exception) -> Fault:
    """Return what kept the reply from us."""
    return fault(error, httpx.TimeoutException, httpx.ConnectError)
