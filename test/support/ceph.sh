#!/bin/sh
# An S3 of another's to test against: Ceph's radosgw over a cluster of one process each, in memory, on loopback, as any user.
# Debian and Ubuntu: apt-get install --no-install-recommends radosgw ceph-mon ceph-osd ceph-common
#
#   sh test/support/ceph.sh [PORT]   until Ctrl-C; the monitor takes the next port
#   S3_TEST_URL=http://tunegate:tunegate-secret@127.0.0.1:PORT/tunegate npx vitest run --project node test/aws/other-s3.test.ts
set -eu

port=${1:-7480}
dir=$(mktemp -d)
monitor=v1:127.0.0.1:$((port + 1))
export CEPH_CONF="$dir/ceph.conf"
running=
stop() {
  trap - EXIT INT TERM
  # shellcheck disable=SC2086 # as many as there are
  kill $running 2>/dev/null || true
  wait
  rm -rf "$dir"
}
trap stop EXIT INT TERM
start() {
  "$@" -f >>"$dir/out" 2>&1 &
  running="$running $!"
}

fsid=$(cat /proc/sys/kernel/random/uuid)
mkdir "$dir/mon" "$dir/osd" "$dir/rgw"
cat >"$CEPH_CONF" <<END
[global]
fsid = $fsid
mon host = $monitor
mon initial members = a
mon cluster log file = $dir/cluster.log
ms bind msgr2 = false
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
run dir = $dir
admin socket = $dir/\$name.asok
pid file = $dir/\$name.pid
log file = $dir/\$name.log
keyring = $dir/keyring
[mon.a]
mon data = $dir/mon
[osd.0]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 2147483648
[client.rgw]
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$port
END
ceph-authtool --create-keyring "$dir/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
monmaptool --create --fsid "$fsid" --addv a "[$monitor]" "$dir/monmap" >/dev/null
ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
start ceph-mon -i a --public-addr "$monitor"
osd=$(cat /proc/sys/kernel/random/uuid)
ceph osd new "$osd" >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$osd" >>"$dir/out" 2>&1
start ceph-osd -i 0
radosgw-admin user create --uid=tunegate --display-name=tunegate --access-key=tunegate --secret-key=tunegate-secret >>"$dir/out" 2>&1
start radosgw --name client.rgw
echo "http://tunegate:tunegate-secret@127.0.0.1:$port/tunegate"
wait
