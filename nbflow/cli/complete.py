"""Completion for bash, zsh and fish: the shells ask the command itself, which looks into the storage folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from ..core.status import NodeStatus
from ..storage.base import Storage
from ..views import words as clean
from .exits import Exit
from .parser import COMMANDS, parser
from .terminal import Printer

BASH = """\
_nbflow() {
    local IFS=$'\\n'
    local word=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=($(nbflow __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f 1))
    COMPREPLY=($(printf '%q\\n' "${COMPREPLY[@]}"))
    [[ -n ${COMPREPLY[0]} && ${COMPREPLY[0]} != "''" ]] || COMPREPLY=()
    [[ ${COMP_WORDS[COMP_CWORD-1]} == --storage ]] && COMPREPLY=($(compgen -d -- "$word"))
}
complete -o nosort -F _nbflow nbflow 2>/dev/null || complete -F _nbflow nbflow
"""

ZSH = """\
#compdef nbflow
_nbflow() {
    local -a found
    local line word about
    if [[ ${words[CURRENT-1]} == --storage ]]; then
        _files -/
        return
    fi
    for line in "${(@f)$(nbflow __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        word=${${line%%$'\\t'*}//:/\\\\:} about=${line#*$'\\t'}
        [[ -n $word ]] && found+=("$word${about:+:$about}")
    done
    _describe -V nbflow found
}
compdef _nbflow nbflow
"""

FISH = """\
function __nbflow_complete
    set -l typed (commandline -opc) (commandline -ct)
    nbflow __complete $typed[2..] 2>/dev/null
end
complete -c nbflow -f -a '(__nbflow_complete)'
complete -c nbflow -l storage -r -a '(__fish_complete_directories)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def script(args: argparse.Namespace, out: Printer) -> Exit:
    """Print the script of a shell."""
    out.line(SCRIPTS[args.shell].rstrip("\n"))
    return Exit.OK


def complete(words: list[str]) -> int:
    """Print what may stand for the last of these words, one a line: the word, a tab, and what it is. Never fails."""
    try:
        for word, about in _offers(words[:-1], words[-1] if words else ""):
            print(f"{clean.name(word)}\t{clean.one_line(about, 60)}")
    except (Exception, SystemExit):
        pass  # a shell that completes must not be disturbed
    return int(Exit.OK)


def _offers(before: list[str], typed: str) -> list[tuple[str, str]]:
    command, places, storage = _parsed(before)
    if typed.startswith("-"):
        found: Iterable[tuple[str, str]] = _options(command)
    elif command is None:
        found = COMMANDS.items()
    else:
        found = _arguments(command, places, storage)
    return [(word, about) for word, about in found if word.startswith(typed)]


def _parsed(before: list[str]) -> tuple[str | None, list[str], str | None]:
    """Return the command, its arguments so far and the storage that is named."""
    takes = {name for name, takes in _known(None) if takes}
    command, places, storage = None, list[str](), None
    words = iter(before)
    for word in words:
        if word in takes:
            value = next(words, "")
            storage = value if word == "--storage" else storage
        elif word.startswith("--storage="):
            storage = word.partition("=")[2]
        elif word.startswith("-"):
            continue
        elif command is None:
            command = word
            takes |= {name for name, takes in _known(command) if takes}
        else:
            places.append(word)
    return command, places, storage


def _known(command: str | None) -> list[tuple[str, bool]]:
    return [(name, action.nargs != 0) for action in _actions(command) for name in action.option_strings]


def _actions(command: str | None) -> list[argparse.Action]:
    known = parser()
    if command is not None:
        subparsers = next(each for each in known._actions if isinstance(each, argparse._SubParsersAction))
        known = subparsers.choices[command]
    return known._actions


def _options(command: str | None) -> list[tuple[str, str]]:
    found = [(action.option_strings[-1], action.help or "") for action in _actions(command) if action.option_strings]
    return [(name, about) for name, about in found if name.startswith("--")]


def _arguments(command: str, places: list[str], path: str | None) -> list[tuple[str, str]]:
    if command == "completion":
        return [(shell, "") for shell in SCRIPTS if not places]
    if command in ("list", "serve", "doctor", "version"):
        return []
    from .place import storage_at

    storage = storage_at(path)
    if not places:
        return [(entry.workflow_id, _about(entry.status)) for entry in storage.list_runs()]
    if command in ("story", "logs") and len(places) == 1:
        return _nodes(storage, places[0])
    if command == "cancel-wait" and len(places) == 1:
        return [(name, about) for name, about in _nodes(storage, places[0]) if about == NodeStatus.WAITING]
    if command in ("answer", "send"):
        return _questions(storage, places) if command == "answer" else _keys(storage, places)
    return []


def _about(status: dict[str, object]) -> str:
    return f"{str(status.get('status', '')).lower()} {status.get('name', '')}".strip()


def _nodes(storage: Storage, run: str) -> list[tuple[str, str]]:
    from .place import entry_of, state_of

    state = state_of(storage, entry_of(storage, run))
    return [(name, str(state.nodes[index].status)) for name, index in state.index.items()]


def _keys(storage: Storage, places: list[str]) -> list[tuple[str, str]]:
    from ..engine.inspect import read

    state = read(storage, places[0])
    waits = [node.wait for node in state.nodes if node.status is NodeStatus.WAITING and node.wait is not None]
    return [(wait.key, "") for wait in waits if wait.key and wait.prompt is None] if len(places) == 1 else []


def _questions(storage: Storage, places: list[str]) -> list[tuple[str, str]]:
    from .place import entry_of, state_of
    from .say import open_questions

    asked = open_questions(state_of(storage, entry_of(storage, places[0])))
    if len(places) == 1:
        return [(each.node_id, each.title) for each in asked]
    chosen = next((each for each in asked if each.node_id == places[1]), None)
    if chosen is None:
        return []
    fields = (chosen.fields or {}).get("properties", {})
    options = [(option, "") for option in chosen.options] if len(places) == 2 else []
    return options + [(f"{name}=", str(field.get("title", ""))) for name, field in fields.items()]
