"""From httpx's response to a reply of ours, or to the fault that stood in its way."""

from __future__ import annotations

import httpx

from volc_dashscope._http._body import Body, TooLarge, Undecodable
from volc_dashscope._wire import Fault, Reply, Request

FAULTS = (httpx.HTTPError, httpx.StreamError, Undecodable, TooLarge)


def read(request: Request, response: httpx.Response) -> Reply:
    """Read the whole body and close the response. Raises one of `FAULTS`."""
    try:
        body = _body(request, response)
        for chunk in response.iter_bytes() if response.is_stream_consumed else response.iter_raw():
            body.take(chunk)
    finally:
        response.close()
    return body.reply(response.status_code, response.headers.raw)


async def aread(request: Request, response: httpx.Response) -> Reply:
    """As `read`."""
    try:
        body = _body(request, response)
        async for chunk in response.aiter_bytes() if response.is_stream_consumed else response.aiter_raw():
            body.take(chunk)
    finally:
        await response.aclose()
    return body.reply(response.status_code, response.headers.raw)


def _body(request: Request, response: httpx.Response) -> Body:
    coding = response.headers.get("content-encoding", "")
    # A hook of the user's may have read it.
    return Body(request, response.status_code, coding, unpacked=response.is_stream_consumed)


def fault(error: Exception) -> Fault:
    """Return what kept the reply from us."""
    if isinstance(error, TooLarge):
        return Fault("too large")
    if isinstance(error, httpx.TimeoutException):
        return Fault("timeout")
    return Fault("connect" if isinstance(error, httpx.ConnectError) else "broken")
