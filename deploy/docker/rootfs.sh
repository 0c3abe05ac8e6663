#!/bin/sh
# Makes the root file system of the image: the binary without its debug information, the libraries that it is linked
# with, the authorities of TLS, and the user that it runs as. Nothing else: no shell, no package manager.
# Usage: rootfs.sh BINARY FOLDER
set -eu
binary=$1 root=$2

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs" "$root/etc/fleetwire" "$root/tmp"
objcopy --strip-debug "$binary" "$root/usr/bin/fleetwire"
# The loader and every library, at the very path where the loader looks for it.
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
echo 'fleetwire:x:65532:65532::/tmp:/sbin/nologin' >"$root/etc/passwd"
echo 'fleetwire:x:65532:' >"$root/etc/group"
# Names of the container itself first, then DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
chmod 1777 "$root/tmp"
