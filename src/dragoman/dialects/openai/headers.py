"""The HTTP headers that the gateway may pass on between clients and servers of OpenAI's APIs, without being
configured to.
"""

from __future__ import annotations

from typing import Final

REQUEST_HEADERS: Final = frozenset({"openai-beta", "x-client-request-id"})
RESPONSE_HEADERS: Final = frozenset(
    {
        *("openai-processing-ms", "openai-version", "retry-after", "retry-after-ms", "x-should-retry"),
        *("x-ratelimit-limit-requests", "x-ratelimit-limit-tokens"),
        *("x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"),
        *("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"),
    }
)
