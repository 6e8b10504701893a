"""Tools for models that have none: the tools are described in the prompt, and the model writes its calls as
text. Also what else is read out of the text of an answer: a forced call for a provider that cannot force one,
and reasoning.

    notation   how a call, a result and the instructions are written; a row for each `Facts.tool_mode`
    xml, json  the two families of notations: declared XML tags; JSON objects between marks (Hermes, fenced)
    values     converts the parameters of a call in XML to JSON, as their schema says
    reading    finds the calls in a text that comes in parts
    work       limits how often parts of a text are read again
    request    writes the tools, the calls and the results of a request as text
    choice     asks for a forced call as structured output, and reads such an answer
    thoughts   finds the reasoning with which a text begins
    answer     changes the events of an answer: calls and reasoning in its text become blocks

Nothing here knows a protocol. `dialects.emulate` decides which of these are used; `dialects.restore` runs
`answer`.
"""
