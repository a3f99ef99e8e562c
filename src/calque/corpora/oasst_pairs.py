"""OpenAssistant's messages with the original text beside the translation, to conversations of `InstructionPair`s.

A row is a message: {message_id, parent_id, role, text (target), orig_text (English), and perhaps rank, deleted}.
Messages form trees; a conversation is the way from a root to a leaf, up to the last reply on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calque.corpora.json_rows import JsonRow, read_rows
from calque.records import InstructionPair, Message, Provenance, Rejected, Role

ROLES: Mapping[str, Role] = {"prompter": "user", "assistant": "assistant"}
WORST = 1 << 30  # where a reply of no rank stands among its siblings


@dataclass
class _Node:
    row: int
    parent: str
    role: Role
    english: str
    target: str
    rank: int
    children: list[str] = field(default_factory=list)


def read_oasst(
    path: Path, language: str, licence: str = "", *, best_branch: bool = False
) -> Iterator[InstructionPair | Rejected]:
    """Every conversation of the file's trees, in the order of their last messages; with `best_branch` one of a tree.

    The best branch follows the reply of the lowest rank, then the earlier one. A conversation counts by the row of its
    last reply. Reasons for messages: `wrong_type`, `missing_field`, `empty_side`, `deleted`, `duplicate_id`,
    `missing_parent` (also of what follows a message that is put aside), `same_role` as the one before, `unanswered`,
    `other_branch` than the best, and those of `read_rows`; for a conversation `identical_sides`.
    """
    nodes: dict[str, _Node] = {}
    for row in read_rows(path):
        found = row if isinstance(row, Rejected) else _node(row, path.name)
        if isinstance(found, Rejected):
            yield found
            continue
        id_, node = found
        if id_ in nodes:
            yield Rejected(path.name, node.row, "duplicate_id", id_)
        else:
            nodes[id_] = node
    yield from _linked(nodes, path.name)
    wanted = set(_best_leaves(nodes)) if best_branch else set(_leaves(nodes))
    in_use = {id_ for leaf in wanted for id_ in _way(nodes, leaf)}
    for id_, node in nodes.items():
        if id_ in wanted:
            yield _pair(nodes, id_, language, Provenance(path.name, node.row, licence))
        elif id_ not in in_use:
            unanswered = node.role == "user" and not node.children
            yield Rejected(path.name, node.row, "unanswered" if unanswered else "other_branch", id_)


def _node(row: JsonRow, name: str) -> tuple[str, _Node] | Rejected:
    def rejected(reason: str, detail: str) -> Rejected:
        return Rejected(name, row.row, reason, f"line {row.line}: {detail}", row.raw[:500])

    if not isinstance(row.value, dict):
        return rejected("wrong_type", "the row is no object")
    value = row.value
    for key in ("message_id", "role", "text", "orig_text"):
        if value.get(key) is None:
            return rejected("missing_field", f"field {key!r} is missing")
        if not isinstance(value[key], str):
            return rejected("wrong_type", f"field {key!r} is no text")
    parent, rank = value.get("parent_id") or "", value.get("rank")
    if value["role"] not in ROLES or not isinstance(parent, str):
        return rejected("wrong_type", f"role {value['role']!r} is none of {', '.join(ROLES)}")
    if value.get("deleted"):
        return rejected("deleted", value["message_id"])
    english, target = value["orig_text"].strip(), value["text"].strip()
    if not english or not target:
        return rejected("empty_side", f"{'text' if english else 'orig_text'} is empty")
    node = _Node(
        row.row, parent, ROLES[value["role"]], english, target, rank if isinstance(rank, int) else WORST
    )
    return value["message_id"], node


def _linked(nodes: dict[str, _Node], name: str) -> Iterator[Rejected]:
    """Tell every message of those that follow it; take out what hangs on nothing, or answers its own role."""
    loose = True
    while loose:
        loose = False
        for id_, node in list(nodes.items()):
            before = nodes.get(node.parent)
            if node.parent and before is None:
                reason = "missing_parent"
            elif (before is None and node.role != "user") or (
                before is not None and before.role == node.role
            ):
                reason = "same_role" if before is not None else "missing_parent"
            else:
                continue
            yield Rejected(name, node.row, reason, id_, node.target[:500])
            del nodes[id_]
            loose = True
    rooted: set[str] = set()
    for id_ in nodes:
        way = []
        at = id_
        while at and at not in rooted and at not in way:
            way.append(at)
            at = nodes[at].parent
        if not at or at in rooted:
            rooted |= set(way)
    for id_ in [id_ for id_ in nodes if id_ not in rooted]:
        yield Rejected(name, nodes[id_].row, "missing_parent", f"{id_} answers itself in a circle")
        del nodes[id_]
    for id_, node in nodes.items():
        if node.parent:
            nodes[node.parent].children.append(id_)


def _leaves(nodes: Mapping[str, _Node]) -> Iterator[str]:
    """The last replies of all conversations: replies that nobody answered with something that was replied to."""
    for id_, node in nodes.items():
        answered = any(nodes[child].children for child in node.children)
        if node.role == "assistant" and not answered:
            yield id_


def _best_leaves(nodes: Mapping[str, _Node]) -> Iterator[str]:
    for id_, node in nodes.items():
        if node.parent:
            continue
        at, last = id_, ""
        while nodes[at].children:
            at = min(nodes[at].children, key=lambda child: (nodes[child].rank, nodes[child].row))
            last = at if nodes[at].role == "assistant" else last
        if last:
            yield last


def _way(nodes: Mapping[str, _Node], leaf: str) -> list[str]:
    """The messages from the root to `leaf`."""
    way = [leaf]
    while nodes[way[-1]].parent:
        way.append(nodes[way[-1]].parent)
    return way[::-1]


def _pair(
    nodes: Mapping[str, _Node], leaf: str, language: str, provenance: Provenance
) -> InstructionPair | Rejected:
    way = [nodes[id_] for id_ in _way(nodes, leaf)]
    if all(node.english == node.target for node in way):
        return Rejected(provenance.dataset, provenance.row, "identical_sides", leaf)
    return InstructionPair(
        tuple(Message(node.role, node.english, "en") for node in way),
        tuple(Message(node.role, node.target, language) for node in way),
        language,
        provenance,
    )
