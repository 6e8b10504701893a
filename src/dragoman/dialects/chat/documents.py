"""Writes a text document as text, for protocols that have no text documents."""

from __future__ import annotations

from dragoman import ir
from dragoman.dialects.chat.draft import Draft


def document_text(block: ir.Media, draft: Draft, where: str, text: str | None = None) -> str:
    """Return the document's text between the tags `<document>` and `</document>`, with the document's name,
    if it has one, as the attribute `title`. The change is reported.

    text: the document's text; None = it is taken from the block: its text or, if it has none, the texts of
    the blocks inside it. Other blocks inside it are then reported as lost. where: the block's IR path.
    """
    draft.report.change(where, where, "the text document is sent as text")
    if text is None and (text := block.text) is None:
        text = _words(block, draft, where)
    title = f' title="{block.name}"' if block.name else ""
    return f"<document{title}>\n{text}\n</document>"


def _words(block: ir.Media, draft: Draft, where: str) -> str:
    texts: list[str] = []
    for index, inner in enumerate(block.blocks or ()):
        if isinstance(inner, ir.Text):
            texts.append(inner.text)
        else:
            draft.report.lose(f"{where}.blocks[{index}]", "only the text of the document is sent")
    return "\n\n".join(texts)
