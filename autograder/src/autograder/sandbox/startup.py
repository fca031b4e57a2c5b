r"""What the shells of the sandbox read when they start: prompt, history, completion, and the hook that tells when a prompt returns.

The hook writes one message to a descriptor (see prompts.py, which reads it outside) and starts no process: it costs less than a millisecond.
A command that is typed with a leading space stays out of the history, and so out of the message.
A learner who sets `PROMPT_COMMAND`, redefines the hook or closes its descriptor loses the signal and nothing else.
"""

from __future__ import annotations

from autograder.sandbox.prompts import DESCRIPTOR

__all__ = ["SHELL_CELLS_RC", "TERMINAL_RC", "ZSH_RC"]

# Broken between words at the terminal's width; where there is no terminal the lines stay whole.
_GREETING = r"""
__wheelhouse_greet() {
  case $WHEELHOUSE_TIER in
    strong|strong-pod) echo "You are in the sandbox of ${WHEELHOUSE_PLACE}: nothing you type here can reach the rest of this machine." ;;
    medium) echo "You are in the medium sandbox of ${WHEELHOUSE_PLACE}: commands can't read or change the files of the rest of this machine." ;;
    *) echo "You are in the ${WHEELHOUSE_TIER} sandbox of ${WHEELHOUSE_PLACE}: it guards against accidents, but commands can reach your own files." ;;
  esac
  echo "Packages come from the course's own index. \`course check\` says what is done, \`course help\` what else you can ask."
  echo "Whatever you do, the button Start over in the checklist or \`course reset\` outside restores it. Leave with \`exit\`."
}
__wheelhouse_width=$(stty size 2>/dev/null)
case ${__wheelhouse_width#* } in
  [1-9]*) __wheelhouse_greet | fold -s -w "${__wheelhouse_width#* }" ;;
  *) __wheelhouse_greet ;;
esac
unset __wheelhouse_width
unset -f __wheelhouse_greet
"""

# As short as the terminal's own name, `ex06`: beside a lesson the shell has room for 40 to 60 letters.
_PLACE = r"""
case $WHEELHOUSE_PLACE in
  [0-9][0-9]-*) __wheelhouse_place=ex${WHEELHOUSE_PLACE%%-*} ;;
  *) __wheelhouse_place=$WHEELHOUSE_PLACE ;;
esac
"""

# PS0 is expanded before a command runs: its arithmetic notes the time without starting a process. bash 3.2 (macOS) has no PS0.
_BASH_HOOK = r"""
__wheelhouse_began=
PS0='${BASH_VERSION:$((__wheelhouse_began=${EPOCHREALTIME//[!0-9]/}+0,0)):0}'
__wheelhouse_tell() {
  local last=$? ended=${EPOCHREALTIME//[!0-9]/}
  {
    printf '%s\0' bash "$last" "${__wheelhouse_began-}" "$ended" "$PWD"
    HISTTIMEFORMAT= history 1
    printf '\0'
    declare -xp
    printf '\0\036\0'
  } 2>/dev/null >&DESCRIPTOR || :
  __wheelhouse_began=
  return "$last"
}
""".replace("DESCRIPTOR", str(DESCRIPTOR))

TERMINAL_RC = (
    "# The sandboxed terminal, by the course: yours in ~/.bashrc wins."
    + _PLACE
    + r"""PS1='${__wheelhouse_place}:\w\$ '
PROMPT_DIRTRIM=3
HISTSIZE=10000 HISTFILESIZE=10000 HISTCONTROL=ignorespace
PROMPT_COMMAND='history -a'
shopt -s histappend cmdhist checkwinsize
if [ -n "$WHEELHOUSE_SCREEN_READER" ]; then
  PS1='${__wheelhouse_place} \w $ '
elif [ "$TERM" != dumb ]; then
  PS1='\[\e[32m\]${__wheelhouse_place}\[\e[0m\]:\[\e[34m\]\w\[\e[0m\]\$ '
  alias ls='ls --color=auto' 2>/dev/null
fi
case $WHEELHOUSE_TIER in
  strong|strong-pod) [ -r /usr/share/bash-completion/bash_completion ] && . /usr/share/bash-completion/bash_completion ;;
esac
"""
    + _GREETING
    + _BASH_HOOK
    + r"""
[ -r ~/.bashrc ] && . ~/.bashrc
PROMPT_COMMAND="__wheelhouse_tell${PROMPT_COMMAND:+; $PROMPT_COMMAND}"
true
"""
)

# `nomatch` is off and comments are allowed, so that a line of a lesson, written for bash, does in zsh what it says.
ZSH_RC = (
    "# The sandboxed terminal in zsh, by the course: yours in ~/.zshrc wins."
    + _PLACE
    + r"""setopt prompt_subst interactive_comments hist_ignore_space append_history inc_append_history
unsetopt nomatch
HISTFILE=~/.zsh_history HISTSIZE=10000 SAVEHIST=10000
PS1='${__wheelhouse_place}:%(4~|.../%3~|%~)%(!.#.$) '
if [[ -n $WHEELHOUSE_SCREEN_READER ]]; then
  PS1='${__wheelhouse_place} %(4~|.../%3~|%~) $ '
elif [[ $TERM != dumb ]]; then
  PS1='%F{green}${__wheelhouse_place}%f:%F{blue}%(4~|.../%3~|%~)%f%(!.#.$) '
  ls --color=auto -d / >/dev/null 2>&1 && alias ls='ls --color=auto'
fi
bindkey -e
mkdir -p ~/.cache && autoload -Uz compinit && compinit -u -d ~/.cache/zcompdump
"""
    + _GREETING
    + r"""
zmodload zsh/datetime zsh/parameter 2>/dev/null
__wheelhouse_began= __wheelhouse_typed=
__wheelhouse_starts() { __wheelhouse_began=$EPOCHREALTIME __wheelhouse_typed=$1 }
__wheelhouse_tell() {
  local last=$? ended=$EPOCHREALTIME name
  {
    print -rN -- zsh "$last" "$__wheelhouse_began" "$ended" "$PWD" "$__wheelhouse_typed"
    for name in ${(k)parameters[(R)*export*]}; do print -rN -- "$name=${(P)name}"; done
    print -N -- $'\036'
  } 2>/dev/null >&DESCRIPTOR || :
  __wheelhouse_began= __wheelhouse_typed=
  return $last
}
[ -r ~/.zshrc ] && ZDOTDIR=$HOME && . ~/.zshrc
unset ZDOTDIR
preexec_functions=(__wheelhouse_starts $preexec_functions)
precmd_functions=(__wheelhouse_tell $precmd_functions)
true
""".replace("DESCRIPTOR", str(DESCRIPTOR))
)

SHELL_CELLS_RC = r"""# The shell behind %%shell cells: a line typed by shell.py reads a cell from 8 and runs it; 9 gets its exit status.
PS1='$ ' PS2= HISTFILE=
set +o history
exec 7>&1
__wheelhouse_read() {
  local status=$?
  PS1=$__wheelhouse_prompt
  IFS= read -r -d '' -u 8 __wheelhouse_cell
  __wheelhouse_began=${EPOCHREALTIME//[!0-9]/}
  return "$status"
}
__wheelhouse_done() {
  local last=$? ended=${EPOCHREALTIME//[!0-9]/}
  {
    printf '%s\0' cell "$last" "${__wheelhouse_began-}" "$ended" "$PWD" "${__wheelhouse_cell-}"
    declare -xp
    printf '\0\036\0'
  } 2>/dev/null >&DESCRIPTOR || :
  __wheelhouse_cell=
  printf '%s\0' "$last" >&9
  printf '\036%s\036' "$WHEELHOUSE_CELL_MARK" >&7
  __wheelhouse_prompt=$PS1 PS1=
}
PROMPT_COMMAND=__wheelhouse_done
""".replace("DESCRIPTOR", str(DESCRIPTOR))
