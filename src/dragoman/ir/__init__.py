"""What is said: frozen values for requests, answers and events, that belong to no protocol.

This package imports nothing of ours and does no IO. A name is exported here when a codec, a hook or
a user of the library needs it.
"""

from dragoman.ir.blocks import (
    Block,
    CacheMark,
    Citation,
    Extra,
    Item,
    Json,
    Logprob,
    Media,
    Native,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Value,
)
from dragoman.ir.events import (
    CONTENT,
    GRAMMAR,
    ArgsDelta,
    Checker,
    Cite,
    Close,
    End,
    Error,
    Event,
    Finish,
    GrammarError,
    MediaDelta,
    More,
    Open,
    Ping,
    Raw,
    RefusalDelta,
    SealDelta,
    Start,
    Tally,
    TextDelta,
    ThinkDelta,
)
from dragoman.ir.fault import STATUS, Fault, Kind
from dragoman.ir.fold import Fold, fold, merge, unfold
from dragoman.ir.request import (
    Caching,
    Function,
    Message,
    Output,
    ProviderTool,
    Reasoning,
    Request,
    Role,
    Sampling,
    Tool,
    ToolChoice,
)
from dragoman.ir.response import Candidate, Response, Stop
from dragoman.ir.usage import Usage
