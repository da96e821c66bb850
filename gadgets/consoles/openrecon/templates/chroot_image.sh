#!/usr/bin/env bash
# Makes the ext3 image that FIRE runs in a chroot on the scanner's own reconstruction computer.
# Needs root, docker (or DOCKER=podman) and Debian's e2fsprogs. Usage: ./chroot_image.sh [IMAGE] [FILE] [FREE MB]
set -euo pipefail
docker=${DOCKER:-docker}
image=${1:-malibu-fire:@VERSION@} file=${2:-malibu.img} free_mb=${3:-512}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
container=$("$docker" create --platform linux/amd64 "$image")
"$docker" export "$container" | tar -x -C "$folder"
"$docker" rm "$container" > /dev/null
# FIRE mounts its share there: logs and saved data.
mkdir -p "$folder/tmp/share"
# What `ENV` sets is lost in an export; the entry point's own defaults are these, but for the path.
cat > "$folder/usr/local/bin/start-malibu" <<'START'
#!/bin/sh
# The argument is the log, below /tmp/share, as FIRE's ini file names it.
export PATH=/opt/malibu/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONUNBUFFERED=1
exec /bin/sh /usr/local/bin/malibu-console > "${1:-/tmp/share/malibu.log}" 2>&1
START
chmod 755 "$folder/usr/local/bin/start-malibu"
used_kb=$(du -s --apparent-size --block-size=1K "$folder" | cut -f1)
files=$(find "$folder" | wc -l)
# A tenth and a block for each file more than the contents.
rm -f "$file"
mke2fs -q -t ext3 -N $((files * 11 / 10 + 10000)) -d "$folder" "$file" $(((used_kb + files * 4) * 11 / 10 + free_mb * 1024))k
e2fsck -fn "$file" > /dev/null
echo "$file: $(($(stat -c %s "$file") / 1048576)) MB"
