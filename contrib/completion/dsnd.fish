# Completion of dsnd for fish. It asks dsnd itself, and so knows what this dsnd knows.
function __dsnd_commands
    dsnd --help 2>/dev/null | string replace -rf '^  ([a-z]+) +(.*)' '$1\t$2'
end
function __dsnd_options
    set -l words (commandline -opc)
    dsnd $words[2] --help 2>/dev/null | string replace -rf '^  .*(--[a-z][a-z-]*)\S* +(.*)' '$1\t$2'
end
complete -c dsnd -n __fish_is_first_token -f -a '(__dsnd_commands)'
complete -c dsnd -n 'not __fish_is_first_token; and string match -q -- "-*" (commandline -ct)' -a '(__dsnd_options)'
