# Completion for the program that this file is named after, as the program itself prints it, so it is always that of the
# program that is installed. bash-completion reads the file when the program's name is first completed.
_kubewright_printed=$("${BASH_SOURCE[0]##*/}" completion bash 2>/dev/null)
case $_kubewright_printed in *'complete -'*) eval "$_kubewright_printed" ;; esac # whatever else it prints is no completion
unset _kubewright_printed
