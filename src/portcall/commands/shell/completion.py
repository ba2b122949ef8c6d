"""``portcall completion SHELL``: the lines with which a shell asks portcall itself what a half-typed word may become.

Nothing of the parser is in them, so they stay right when options are added. What they ask is answered by ``answers``,
through argcomplete: the line so far in COMP_LINE, words back on descriptor 8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from portcall.commands.output import SUCCESS, describe

if TYPE_CHECKING:
    import argparse

_EPILOG = """\
examples:
  eval "$(portcall completion bash)"
  portcall completion zsh > ~/.zfunc/_portcall
  portcall completion fish > ~/.config/fish/completions/portcall.fish
"""

_BASH = r"""# bash completion for portcall: eval "$(portcall completion bash)" in ~/.bashrc
_portcall() {
    local IFS=$'\013'
    COMPREPLY=($(COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" COMP_TYPE="$COMP_TYPE" \
        _ARGCOMPLETE=1 _ARGCOMPLETE_SHELL=bash _ARGCOMPLETE_SUPPRESS_SPACE=1 \
        _ARGCOMPLETE_COMP_WORDBREAKS="$COMP_WORDBREAKS" "$1" 8>&1 9>/dev/null >/dev/null 2>&1 </dev/null))
    if [[ ${COMPREPLY-} =~ [=\>:/,]$ ]]; then compopt -o nospace; fi
}
complete -o default -o bashdefault -F _portcall portcall
"""

_ZSH = r"""#compdef portcall
# zsh completion for portcall: as _portcall in a folder of $fpath, or eval "$(portcall completion zsh)" behind compinit
_portcall() {
    local line="${(j: :)words[1,CURRENT]}" answer
    local -a found more
    found=(${(ps:\v:)"$(COMP_LINE="$line" COMP_POINT=${#line} _ARGCOMPLETE=1 _ARGCOMPLETE_SHELL=zsh \
        _ARGCOMPLETE_SUPPRESS_SPACE=1 ${words[1]/#\~/$HOME} 8>&1 9>/dev/null >/dev/null 2>&1 </dev/null)"})
    if (( ! $#found )); then
        _files
        return
    fi
    found=(${found%:})
    more=(${(M)found:#*[=>](|:*)})
    found=(${found:#*[=>](|:*)})
    (( ! $#found )) || _describe -V portcall found
    (( ! $#more )) || _describe -V portcall more -S ''
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _portcall "$@"
else
    compdef _portcall portcall
fi
"""

_FISH = r"""# fish completion for portcall: as portcall.fish in ~/.config/fish/completions
function __portcall_answers
    set -lx _ARGCOMPLETE 1
    set -lx _ARGCOMPLETE_DFS \t
    set -lx _ARGCOMPLETE_IFS \n
    set -lx _ARGCOMPLETE_SUPPRESS_SPACE 1
    set -lx _ARGCOMPLETE_SHELL fish
    set -lx COMP_LINE (commandline -cp)
    set -lx COMP_POINT (string length -- $COMP_LINE)
    set -l words (commandline -opc)
    set -l found ($words[1] 8>&1 9>/dev/null >/dev/null 2>&1 </dev/null)
    if set -q found[1]
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c portcall -f -a '(__portcall_answers)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
"""Shell → the lines for it."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options, and what its help begins and ends with."""
    describe(
        parser,
        "Print what makes a shell complete portcall's command lines: commands, options and their values, "
        "interfaces, network namespaces, columns in --where.",
        _EPILOG,
    )
    parser.add_argument("shell", metavar="SHELL", choices=tuple(SCRIPTS), help="whose lines to print")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print them."""
    print(SCRIPTS[options.shell], end="")
    return SUCCESS
