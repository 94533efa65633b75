# Completions of fmtui for bash. Bash splits words at = and :, which belong to settings and references; they are put
# together again before fmtui is asked, and what stands before them is taken from its answers.
_fmtui() {
    local IFS=$'\013' words=() word glued= i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if ((i > 0)) && { [[ $glued ]] || [[ $word =~ ^[=:]+$ ]]; }; then
            words[${#words[@]}-1]+=$word
        else
            words+=("$word")
        fi
        if [[ $word =~ ^[=:]+$ ]]; then glued=1; else glued=; fi
    done
    local index=$((${#words[@]} - 1))
    local current=${words[index]}
    COMPREPLY=($(
        _CLAP_IFS="$IFS" \
        _CLAP_COMPLETE_INDEX="$index" \
        _CLAP_COMPLETE_COMP_TYPE="$COMP_TYPE" \
        _CLAP_COMPLETE_SPACE=false \
        COMPLETE=bash \
        fmtui -- "${words[@]}"
    )) || unset COMPREPLY
    local before=${current%"${current##*[=:]}"}
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ${COMPREPLY-} =~ [=/:,]$ ]] || compopt +o nospace 2>/dev/null
}
complete -o nosort -o nospace -o bashdefault -F _fmtui fmtui 2>/dev/null ||
    complete -o nospace -o bashdefault -F _fmtui fmtui
