"""Encodes requests of other protocols for POST /v2/rerank, and decodes the responses.

Specification: https://docs.cohere.com/v2/reference/rerank. The codec is the one that all vendors of rerankers
share (`dialects/openai/rerank`), always in Cohere's form: documents are texts, and search units are billed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dragoman import ir
from dragoman.dialects.openai import rerank as family
from dragoman.dialects.operation import ProviderSide
from dragoman.dialects.request import Target, WireRequest


def encode_request(request: ir.RerankRequest, target: Target) -> WireRequest:
    """Encode a request in Cohere's form, and report losses. A document that is an object with only a `text`
    is written as this text. Raises WireError for any other document that is not a text.
    """
    quirks = msgspec.structs.replace(target.quirks, ranking="cohere")
    return family.encode_request(request, msgspec.structs.replace(target, quirks=quirks))


RERANK: Final = ProviderSide(paths=(family.PATH,), encode=encode_request, decode=family.decode_response)
