"""Tools for models that have none: the tools are described in the prompt, and the model writes its calls as
text.

    notation   how one call, one result and the instructions are written; a row for each `Facts.tool_mode`
    xml, json  the two families: declared XML tags; JSON objects between marks (Hermes, fenced)
    reading    finds the calls in a text that comes in pieces
    request    the tools, the calls and the results of a request as text
    choice     a forced call as structured output, and the reader of such an answer
    thoughts   finds the reasoning with which a text begins
    answer     the events of an answer, with calls and reasoning in the place of their text

Nothing here knows a protocol. `emulate` decides what is used; `restore` runs `answer`.
"""
