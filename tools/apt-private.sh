#!/bin/sh
# SPDX-License-Identifier: MIT
# A package manager's view of another Debian (suite, architecture), which the machine's own one
# never sees:
#
#   tools/apt-private.sh DIR SUITE ARCH COMMAND...
#
#   COMMAND   update | resolve PACKAGE | fetch PACKAGE
#     resolve prints the real package that a metapackage PACKAGE depends on by the same prefix
#     fetch   brings PACKAGE's .deb to DIR/debs (cached, resumed, checked) and prints its path
#
# Sources: the mirror that this machine's own apt uses for Debian. Trust: Debian's archive keyring.
set -eu

dir=$1 suite=$2 arch=$3 command=$4
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
helper=/usr/lib/apt/apt-helper

# The URI of the first source that offers "main" of this machine's own release, from one-line
# and deb822 files alike.
own_mirror() {
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -n 's/^deb  *\(\[[^]]*\]  *\)\{0,1\}//p' |
        awk -v suite="$codename" '$2 == suite && / main/ { print $1; exit }' >"$dir/mirror.new"
    if [ ! -s "$dir/mirror.new" ]; then
        # A paragraph a source: remember its fields, decide where it ends.
        for file in /etc/apt/sources.list.d/*.sources; do
            [ -f "$file" ] || continue
            cat "$file"
            echo
        done | awk -v suite="$codename" '
            /^#/ { next }
            /^[ \t]*$/ {
                if ((" " suites " ") ~ (" " suite " ") && components ~ /main/) { print uri; exit }
                uri = suites = components = ""; next
            }
            tolower($1) == "uris:" { uri = $2 }
            tolower($1) == "suites:" { $1 = ""; suites = $0 }
            tolower($1) == "components:" { $1 = ""; components = $0 }' >"$dir/mirror.new"
    fi
    cat "$dir/mirror.new"
    rm -f "$dir/mirror.new"
}

prepare() {
    mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial" "$dir/parts" "$dir/debs"
    dir=$(cd "$dir" && pwd)
    : >"$dir/status"
    if [ ! -f "$keyring" ]; then
        echo "$0: $keyring is missing; install debian-archive-keyring" >&2
        exit 1
    fi
    mirror=$(own_mirror)
    if [ -z "$mirror" ]; then
        echo "$0: no Debian mirror in /etc/apt; add a source with the component main" >&2
        exit 1
    fi
    echo "deb [arch=$arch signed-by=$keyring] $mirror $suite main" >"$dir/sources.list"
}

# Runs an apt program on the private state.
with_apt() {
    program=$1
    shift
    "$program" -o "Dir::State=$dir/state" -o "Dir::State::Lists=$dir/state/lists" \
        -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache" \
        -o "Dir::Etc::SourceList=$dir/sources.list" -o "Dir::Etc::SourceParts=$dir/parts" \
        -o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "APT::Sandbox::User=root" \
        -o "Acquire::Languages=none" -o "Acquire::Retries=3" "$@"
}

resolve() {
    with_apt apt-cache depends "$1" 2>/dev/null | awk -v prefix="${1%-"$arch"}" '
        $1 == "Depends:" && index($2, prefix) == 1 { print $2; exit }'
}

# One line of --print-uris: 'URI' NAME SIZE HASH
fetch() {
    line=$(with_apt apt-get --print-uris download "$1" | tail -n 1)
    uri=$(echo "$line" | cut -d"'" -f2)
    set -- $(echo "$line" | cut -d"'" -f3)
    name=$1 size=$2 hash=$3
    if [ -z "$uri" ] || [ -z "$hash" ]; then
        echo "$0: $suite has no such package for $arch" >&2
        exit 1
    fi
    file=$dir/debs/$name
    if [ ! -f "$file" ]; then
        echo "fetching $name ($((size / 1048576)) MB)" >&2
        # The helper goes on where a partial file ends, and checks the hash.
        with_apt "$helper" download-file "$uri" "$file.part" "$hash" >&2
        mv "$file.part" "$file"
    fi
    echo "$file"
}

prepare
case $command in
update) with_apt apt-get update >&2 ;;
resolve) resolve "$5" ;;
fetch) fetch "$5" ;;
*)
    echo "$0: unknown command '$command'; use update, resolve or fetch" >&2
    exit 1
    ;;
esac
