"""The HTTP client below the providers' libraries.

It follows no redirect (a key and a conversation go where the operator said), reads no endless
body, and lets a :class:`~serbero.reasoning.dialects.Dialect` put requests and answers straight.
Importing this module loads the HTTP library; only ``backends`` does.
"""

from typing import Any, Final

import httpx2

from serbero import __version__
from serbero.reasoning.dialects import BadBody, Dialect, WireFault

MAX_BODY_BYTES: Final = 524_288
"""Of one answer, decompressed. A verdict has a few thousand; a thinking model's may be longer."""

_AGENT: Final = f"serbero/{__version__}"
_DROPPED: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Wire(httpx2.AsyncClient):
    """A client for one endpoint.

    Args:
        dialect: the protocol to put straight, None to leave requests and answers as they are.
        key: what opens the endpoint; only used with a dialect.
    """

    def __init__(self, dialect: Dialect | None = None, key: str = "") -> None:
        # Deadlines are kept by the caller, on its own clock and over the whole request.
        super().__init__(timeout=None, follow_redirects=False)
        self._dialect = dialect
        self._key = key

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request and return its answer, completely read.

        Raises:
            BadBody: a successful answer whose body is cut, too large, or not what it should be.
            httpx2.HTTPError: no answer.
        """
        if self._dialect is not None:
            request = self._straight(request, self._dialect)
        options |= {"stream": True, "follow_redirects": False}
        response = await super().send(request, **options)
        try:
            body = await _body(response)
            if self._dialect is not None and response.is_success:
                body = self._dialect.answer_body(body)
        finally:
            await response.aclose()
        headers = [
            (name, value) for name, value in response.headers.items() if name not in _DROPPED
        ]
        if self._dialect is not None and response.is_success:
            headers = [("content-type", "application/json")]
        return httpx2.Response(
            response.status_code,
            headers=headers,
            content=body,
            request=request,
            extensions={
                name: value for name, value in response.extensions.items() if name == "http_version"
            },
        )

    def _straight(self, request: httpx2.Request, dialect: Dialect) -> httpx2.Request:
        """The same request with our headers alone, its body in order, and no query."""
        return httpx2.Request(
            request.method,
            request.url.copy_with(query=None),
            headers={
                **dialect.headers(self._key),
                "content-type": "application/json",
                "accept": "application/json",
                "user-agent": _AGENT,
            },
            content=dialect.request_body(request.content),
            extensions=request.extensions,
        )


async def _body(response: httpx2.Response) -> bytes:
    """The whole body, decompressed; of a refusal what could be read of it."""
    whole = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            whole += chunk
            if len(whole) > MAX_BODY_BYTES:
                break
    except httpx2.DecodingError:
        if response.is_success:
            raise BadBody(WireFault.NOT_JSON) from None
    except httpx2.TransportError:
        if response.is_success:
            raise BadBody(WireFault.CUT) from None
    if len(whole) > MAX_BODY_BYTES and response.is_success:
        raise BadBody(WireFault.TOO_LARGE)
    return bytes(whole[:MAX_BODY_BYTES])
