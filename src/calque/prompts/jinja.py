"""A renderer as a chat template in Jinja, so that `tokenizer.apply_chat_template` of others gives the ids that training saw.

Ours are the ids of segments, tokenised one by one; others tokenise the whole text. Tokenizers that put a blank before
a text (Metaspace, byte-level with a prefix) do so at the beginning of every segment, so the template writes that blank
where a segment begins. Which one it takes is found out by trial, at each of the places where a segment can begin:
the first one, behind a stop token, and behind the words that ask for an answer.

What no template can say: that names of special tokens in the data are plain text. See `export.faithful` for the proof.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from calque.prompts.chat import TODAY, ChatRenderer
from calque.prompts.encoding import Encoder
from calque.prompts.render import Block, TemplateRenderer
from calque.records import Conversation, Message

BLANKS = ("", " ", "\u2581")  # what may have to stand before a segment, the likeliest first


def chat_template(encoder: Encoder, language: str = "en") -> str:
    """The template in Jinja. `language` is that of the wording where a request does not say its own."""
    renderer = encoder.renderer
    if isinstance(renderer, ChatRenderer):
        return _own(renderer)
    if isinstance(renderer, TemplateRenderer):
        return _packaged(encoder, renderer, language)
    raise TypeError(type(renderer).__name__)


def as_messages(conversation: Conversation, renderer: object) -> list[dict[str, str]]:
    """A conversation for `apply_chat_template`: a model's own template knows no input beside the content."""
    rows = []
    for message in conversation:
        row = {"role": message.role, "content": message.text, "language": message.language}
        if message.input and isinstance(renderer, ChatRenderer):
            row["content"] = f"{message.text}\n\n{message.input}"
        elif message.input:
            row["input"] = message.input
        rows.append(row)
    return rows


def _own(renderer: ChatRenderer) -> str:
    """The model's template: with the fixed date, and with what stands before every answer, as an empty block of thoughts."""
    tokenizer = renderer.tokenizer
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        template = TODAY + template
    ask = (Message("user", "a", "en"),)
    ours = "".join(segment.text for segment in renderer.prompt(ask))
    theirs = tokenizer.apply_chat_template(
        as_messages(ask, renderer), tokenize=False, add_generation_prompt=True, chat_template=template
    )
    lead = ours.removeprefix(str(theirs))
    if lead and lead != ours:
        template += "{%- if add_generation_prompt %}{{- " + repr(lead) + " }}{%- endif %}"
    return template


_FORM = """\
{#- The prompt form {name} of calque, as this model was tuned on it. A message may have an `input` beside its content. -#}
{%- set blocks = {blocks} -%}
{%- set leads = {leads} -%}
{choice}
{%- if code not in blocks %}{{- raise_exception('the prompt form has no wording in ' ~ code) }}{%- endif -%}
{%- set block = blocks[code] -%}
{%- set at = namespace(text='', cue='', before='', place='first') -%}
{bos}
{%- for message in messages -%}
  {%- set at.text = at.text ~ at.cue -%}
  {%- set at.cue = '' -%}
  {%- set content = message['content'] or '' -%}
  {%- set material = message['input'] or '' -%}
  {%- if message['role'] == 'system' -%}
    {%- set at.text = at.text ~ (between if at.before == 'assistant' else '') ~ content ~ between -%}
  {%- elif message['role'] == 'user' -%}
    {%- if at.before == '' -%}
      {%- set at.text = at.text ~ (block['preamble_with_input'] if material else block['preamble']) -%}
    {%- elif at.before != 'system' -%}
      {%- set at.text = at.text ~ between -%}
    {%- endif -%}
    {%- for piece in (block['user_with_input'] if material else block['user']) -%}
      {%- if piece == '{text}' -%}{%- set at.text = at.text ~ content -%}
      {%- elif piece == '{input}' -%}{%- set at.text = at.text ~ material -%}
      {%- else -%}{%- set at.text = at.text ~ piece -%}{%- endif -%}
    {%- endfor -%}
    {%- set at.cue = block['answer'] -%}
  {%- elif message['role'] == 'assistant' -%}
    {%- if at.before == 'assistant' -%}{%- set at.text = at.text ~ between ~ block['answer'] -%}{%- endif -%}
    {%- if at.text -%}
      {{- leads[at.place][1 if at.text[0] == ' ' else 0] ~ at.text -}}
      {%- set at.place = 'answer' -%}
    {%- endif -%}
    {%- if content -%}{{- leads[at.place][1 if content[0] == ' ' else 0] ~ content -}}{%- endif -%}
    {{- eos_token -}}
    {%- set at.text = '' -%}
    {%- set at.place = 'later' -%}
  {%- else -%}
    {{- raise_exception('roles are system, user and assistant, not ' ~ message['role']) -}}
  {%- endif -%}
  {%- set at.before = message['role'] -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{%- set at.text = at.text ~ at.cue -%}{%- endif -%}
{%- if at.text -%}{{- leads[at.place][1 if at.text[0] == ' ' else 0] ~ at.text -}}{%- endif -%}
"""
_CHOICE = """\
{%- set asked = namespace(code='') -%}
{%- for message in messages if message['role'] == 'user' and not asked.code -%}
  {%- set asked.code = message['language'] or language or DEFAULT -%}
{%- endfor -%}
{%- set code = asked.code or 'en' -%}"""


def _packaged(encoder: Encoder, renderer: TemplateRenderer, language: str) -> str:
    template = renderer.template
    english = renderer.template_language == "english" or set(template.blocks) == {"en"}
    codes = ["en"] if english else list(template.blocks)
    blocks = {code: _pieces(template.blocks[code]) for code in codes}
    choice = "{%- set code = 'en' -%}" if english else _CHOICE.replace("DEFAULT", repr(language))
    values = {
        "{name}": template.name.rsplit("/", 1)[-1],
        "{blocks}": repr(blocks),
        "{leads}": repr(_leads(encoder, template.blocks["en"].answer)),
        "{choice}": f"{choice}\n{{%- set between = {template.between!r} -%}}",
        "{bos}": "{{- bos_token -}}" if encoder.bos is not None else "",
    }
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], _FORM)


def _pieces(block: Block) -> dict[str, Any]:
    """A block with its wordings cut at the places of text and input."""

    def cut(wording: str) -> list[str]:
        return [piece for piece in re.split(r"(\{text\}|\{input\})", wording) if piece]

    return {
        "preamble": block.preamble,
        "preamble_with_input": block.preamble_with_input,
        "user": cut(block.user),
        "user_with_input": cut(block.user_with_input),
        "answer": block.answer,
    }


def _leads(encoder: Encoder, cue: str) -> dict[str, list[str]]:
    """What to write before a segment at each place, for a text that begins with a letter and for one with a blank."""
    tokenizer = encoder.tokenizer
    stop = str(tokenizer.convert_ids_to_tokens(encoder.stop_id))
    begin = str(tokenizer.bos_token) if encoder.bos is not None else ""
    befores = {"first": begin, "later": stop, "answer": cue or "\n"}
    return {
        place: [_lead(tokenizer, before, text) for text in ("a", " a")] for place, before in befores.items()
    }


def _lead(tokenizer: Any, before: str, text: str) -> str:
    """What makes `text` behind `before` the tokens that it is alone; nothing where nothing does."""

    def ids(whole: str) -> list[int]:
        found: Sequence[int] = tokenizer(whole, add_special_tokens=False)["input_ids"]
        return list(found)

    wanted = (ids(before) if before else []) + ids(text)
    return next((blank for blank in BLANKS if ids(before + blank + text) == wanted), "")
