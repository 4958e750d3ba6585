#!/bin/sh
# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What the programs that bring other versions of one have in common; they read this file with '.'.
# They set:
#   subject    its name for people, as HAProxy
#   program    its file's name
#   home       where the versions lie, from the root of the checkout: home/VERSION/program
# and define, after that:
#   full_version PROGRAM   what that program says of itself; nothing when it does not run
#   fits VERSION FULL      whether this full version is the wanted one
# What there is stands in home/versions, a line each: VERSION PROGRAM FULL-VERSION or VERSION - REASON.
set -eu
: "${subject:?}" "${program:?}" "${home:?}"

say() { printf '[setup] %s\n' "$*"; }
die() {
    printf '[setup] %s\n' "$@" >&2
    exit 1
}

is_debian() { command -v apt-get >/dev/null && grep -qx ID=debian /etc/os-release; }

# With lists, cache and status of its own, apt sees a machine without any package, and leaves this one's alone.
own_apt() {
    apt-get -q -y -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o "Dir::State::lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" \
        -o Acquire::Languages=none -o Acquire::http::Timeout=30 -o Acquire::Retries=2 -o APT::Sandbox::User= "$@"
}

# $1: Debian release. Lets own_apt work with it, and unpack with what was downloaded.
use_debian() {
    is_debian || {
        reason="it comes from Debian's packages, and this is not Debian"
        return 1
    }
    apt=$work/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$work/tree" "$work/done"
    : >"$apt/status"
    # A mirror that has this machine's release has the others, too.
    # shellcheck disable=SC2016  # a format of apt's
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | sed -n 1p)
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
        "${mirror:-http://deb.debian.org/debian}" "$1" >"$apt/sources.list"
    reason="the packages of Debian $1 cannot be fetched from ${mirror:-http://deb.debian.org/debian}, or do not fit"
    own_apt update
}

# $@: packages, into $work/tree.
unpack() {
    for package in "$@"; do
        dpkg-deb --extract "$package" "$work/tree" || return
    done
}

# $1: version; $2: required, where Debian's packages are, or optional; more: how to fetch it, into $work/done.
bring() {
    version=$1 necessity=$2
    shift 2
    file=$home/$version/$program
    if [ -z "$(full_version "$file")" ]; then
        say "Fetching $subject $version"
        work=$PWD/$home/work
        rm -rf "$home/${version:?}" "$work"
        mkdir -p "$work"
        fetch=$1
        shift
        if "$fetch" "$version" "$@" >"$home/$version.log" 2>&1; then
            mv "$work/done" "$home/$version"
            reason="it does not run here"
        fi
        rm -rf "$work"
    fi
    full=$(full_version "$file") || :
    if [ -n "$full" ] && fits "$version" "$full"; then
        echo "$version $file $full" >>"$home/versions.new"
        return
    fi
    [ -z "$full" ] || reason="what was fetched is $full"
    if [ "$necessity" = required ] && is_debian; then
        tail -n 5 "$home/$version.log" | cut -c 1-500 >&2
        die "$subject $version is needed and cannot be had: $reason (the whole story: $home/$version.log)."
    fi
    echo "$version - $reason" >>"$home/versions.new"
}

# What is not tested is said every time.
tell() {
    sed -n "s/^\([^ ]*\) - \(.*\)/[setup] $subject \1 is NOT TESTED here: \2/p" "$home/versions"
}

# $1: what all depends on. Ends the program, quickly, when all is there; what could not be had is tried again after a day.
end_when_complete() {
    stamp=$1
    if [ "$(cat "$home/stamp" 2>/dev/null)" = "$stamp" ] && [ -f "$home/versions" ]; then
        is_complete=yes
        is_old=$(find "$home/stamp" -mtime +0)
        while read -r _ file _; do
            if [ "$file" = - ]; then
                [ -z "$is_old" ] || is_complete=no
            elif [ ! -x "$file" ]; then
                is_complete=no
            fi
        done <"$home/versions"
        if [ "$is_complete" = yes ]; then
            tell
            exit 0
        fi
    fi
    mkdir -p "$home"
    rm -f "$home/stamp"
    : >"$home/versions.new"
}

conclude() {
    mv "$home/versions.new" "$home/versions"
    echo "$stamp" >"$home/stamp"
    say "$subject versions to test with: $(sed -n 's/^[^ ]* [^ -][^ ]* //p' "$home/versions" | paste -sd ' ')"
    tell
}
