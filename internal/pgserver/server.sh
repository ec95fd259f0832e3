# Runs a private PostgreSQL in directory $1 with the programs in $2 on port $3 (fsync $4), for as long as standard input is
# open: the end of the process that started it, by whatever cause, closes it. Says "ready" or "failed".
dir=$1 bin=$2 port=$3 fsync=$4

"$bin/initdb" --pgdata="$dir/data" --username=buddychat --pwfile="$dir/password" --auth=password \
	--encoding=UTF8 --locale=C --no-sync </dev/null >"$dir/log" 2>&1 &&
	"$bin/pg_ctl" start -w -D "$dir/data" -l "$dir/log" -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories='' \
		-c fsync=$fsync -c max_connections=300 -c max_prepared_transactions=20" </dev/null >>"$dir/log" 2>&1 &&
	echo ready || echo failed

read -r _
"$bin/pg_ctl" stop -D "$dir/data" -m immediate >/dev/null 2>&1
cd / && rm -rf "$dir"
