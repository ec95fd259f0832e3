# Runs a private PostgreSQL in directory $1 with the programs in $2 on port $3 (fsync $4) until
# standard input is closed. The end of the process that started it, for any reason, closes standard
# input. Prints "ready" or "failed". Then it executes each line that it reads, "stop" (as in a
# crash) or "start", and prints "ready" or "failed" for each.
dir=$1 bin=$2 port=$3 fsync=$4

start() {
	"$bin/pg_ctl" start -w -t 120 -D "$dir/data" -l "$dir/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' \
		-c fsync=$fsync -c max_connections=300 -c max_prepared_transactions=20" </dev/null >>"$dir/log" 2>&1
}
stop() { "$bin/pg_ctl" stop -w -D "$dir/data" -m immediate </dev/null >>"$dir/log" 2>&1; }
answer() { if "$1"; then echo ready; else echo failed; fi; }

"$bin/initdb" --pgdata="$dir/data" --username=buddychat --pwfile="$dir/password" --auth=password \
	--encoding=UTF8 --locale=C --no-sync </dev/null >"$dir/log" 2>&1 && answer start || echo failed

while read -r command; do
	case $command in start | stop) answer "$command" ;; esac
done
stop
cd / && rm -rf "$dir"
