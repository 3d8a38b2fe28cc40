# SPDX-License-Identifier: LGPL-2.1-or-later
# commands: nginx ab curl
# packages: nginx-light apache2-utils curl
# verify: nginx:3 ab:2 curl:3
# Master and two workers, keep-alive and plain requests, reload, graceful stop.
set -eu
PATH=$PATH:/usr/sbin
chmod 755 . && mkdir html logs tmp && chmod 777 tmp
head -c 300000 /dev/zero | tr '\0' x >html/big
echo hello >html/index.html
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >conf <<END
daemon on;
worker_processes 2;
pid $PWD/pid;
error_log $PWD/logs/error;
events { worker_connections 256; }
http {
	access_log $PWD/logs/access;
	client_body_temp_path $PWD/tmp/a;
	proxy_temp_path $PWD/tmp/b;
	fastcgi_temp_path $PWD/tmp/c;
	uwsgi_temp_path $PWD/tmp/d;
	scgi_temp_path $PWD/tmp/e;
	gzip on;
	gzip_types *;
	server { listen 127.0.0.1:$port; root $PWD/html; location /status { return 204; } }
}
END
url=http://127.0.0.1:$port
# The command returns when the sockets listen; the master goes on in the background.
nginx -p "$PWD" -c "$PWD/conf" -e "$PWD/logs/error"
trap 'kill "$(cat pid)" 2>/dev/null || true' EXIT
curl -s "$url/"
curl -s --compressed "$url/big" | cksum
curl -s -o /dev/null -w '%{http_code}\n' "$url/nothing"
ab -q -n 3000 -c 20 "$url/big" 2>&1 | grep -E '^(Complete|Failed) requests'
master=$(cat pid)
old=
for child in $(cat "/proc/$master/task/$master/children"); do
	[ "$(cat "/proc/$child/comm")" != nginx ] || old="$old $child"
done
nginx -p "$PWD" -c "$PWD/conf" -e "$PWD/logs/error" -s reload
# Old workers may reset idle connections as they end; new ones run by then.
for worker in $old; do tail --pid="$worker" -s 0.05 -f /dev/null; done
ab -q -k -n 5000 -c 20 "$url/" 2>&1 | grep -E '^(Complete|Failed) requests'
curl -s "$url/"
nginx -p "$PWD" -c "$PWD/conf" -e "$PWD/logs/error" -s quit
tail --pid="$master" -s 0.05 -f /dev/null
trap - EXIT
grep -c ' 200 ' logs/access
grep -cE '\[(alert|crit|emerg)\]' logs/error || true
