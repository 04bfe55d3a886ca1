"""The shells' side: each script asks `sampan __complete` for the word under the cursor.

So verbs, flags and names are always those of the installed program.
"""

_BASH = r"""# bash completion for sampan; load it with:  source <(sampan completion bash)
_sampan() {
    local line="${COMP_LINE:0:COMP_POINT}" current="${COMP_WORDS[COMP_CWORD]}"
    local -a words found
    # bash cuts words at : and = as well; the program wants them whole
    read -ra words <<< "$line"
    [[ "$line" == *[[:space:]] ]] && words+=("")
    local word="${words[-1]}"
    case "$current" in [:=]) current="" ;; esac
    local cut="${word%"$current"}" row also=":none"
    COMPREPLY=()
    while IFS= read -r row; do
        if [[ "$row" == :* ]]; then also="$row"; else COMPREPLY+=("${row%%$'\t'*}"); fi
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]#"$cut"}")
    case "$also" in
        :files | :folders)
            local kind=-f
            [[ "$also" == :folders ]] && kind=-d
            mapfile -t found < <(compgen "$kind" -- "$current")
            if [[ ${#found[@]} -gt 0 ]]; then
                COMPREPLY+=("${found[@]}")
                [[ "${#COMPREPLY[@]}" -eq "${#found[@]}" ]] && compopt -o filenames 2>/dev/null
            fi
            ;;&
        :nospace | :files)
            [[ "${COMPREPLY[0]}" == *[:=] ]] && compopt -o nospace 2>/dev/null
            ;;
    esac
    return 0
}
complete -F _sampan sampan
"""

_ZSH = r"""#compdef sampan
# zsh completion for sampan; load it with:  source <(sampan completion zsh)
_sampan() {
    local row also=":none" word
    local -a plain open
    while IFS= read -r row; do
        if [[ "$row" == :* ]]; then
            also="$row"
            continue
        fi
        word="${row%%$'\t'*}"
        if [[ "$word" == *[:=] ]]; then
            open+=("$word")
        elif [[ "$row" == *$'\t'* ]]; then
            plain+=("${word//:/\\:}:${row#*$'\t'}")
        else
            plain+=("${word//:/\\:}")
        fi
    done < <("${words[1]}" __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( ${#open} )) && compadd -S '' -- "${open[@]}"
    (( ${#plain} )) && _describe -V 'sampan' plain
    case "$also" in
        :files) _files ;;
        :folders) _files -/ ;;
    esac
}
if [[ "${funcstack[1]}" == "_sampan" ]]; then
    _sampan "$@"
else
    compdef _sampan sampan
fi
"""

_FISH = r"""# fish completion for sampan; load it with:  sampan completion fish | source
function __sampan_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for row in (command $words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        switch $row
            case ':files'
                __fish_complete_path "$current"
            case ':folders'
                __fish_complete_directories "$current"
            case ':*'
            case '*'
                echo -- $row
        end
    end
end
complete -c sampan -f -a '(__sampan_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
