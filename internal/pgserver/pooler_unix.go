//go:build unix

package pgserver

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// poolerScript runs PgBouncer $1 in the directory $2 for as long as standard input is open.
const poolerScript = `"$1" -q "$2/pgbouncer.ini" >/dev/null 2>&1 </dev/null & pid=$!
cat >/dev/null
kill $pid; wait $pid; cd / && rm -rf "$2"`

// startTimeout is how long PgBouncer may take to start listening.
const startTimeout = 30 * time.Second

func startPooler(s *Server, settings map[string]string) (*Pooler, error) {
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/pgbouncer"); err != nil {
			return nil, errors.New("there is no pgbouncer on the PATH or in /usr/sbin: install the package pgbouncer")
		}
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "buddychat-pgbouncer-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	users := filepath.Join(dir, "users")
	section := map[string]string{
		"listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "plain", "auth_file": users,
		"pool_mode": "transaction", "default_pool_size": "10", "max_client_conn": "200", "logfile": filepath.Join(dir, "log"),
		"server_login_retry": "0.1", // the default is to wait 15 seconds after a failed login
	}
	maps.Copy(section, settings)
	var config strings.Builder
	fmt.Fprintf(&config, "[databases]\n* = host=%s port=%s\n\n[pgbouncer]\n", u.Hostname(), u.Port())
	for _, name := range slices.Sorted(maps.Keys(section)) {
		fmt.Fprintf(&config, "%s = %s\n", name, section[name])
	}
	for path, text := range map[string]string{users: fmt.Sprintf("%q %q\n", u.User.Username(), password), filepath.Join(dir, "pgbouncer.ini"): config.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	cmd := exec.Command("sh", "-c", poolerScript, "sh", program, dir)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // keep terminal interrupts from it
	if cmd.SysProcAttr.Credential, err = owner(dir, users, filepath.Join(dir, "pgbouncer.ini")); err != nil {
		return nil, err
	}
	alive, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Pooler{address: net.JoinHostPort("127.0.0.1", port), alive: alive, cmd: cmd}
	if err := listens(p.address); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // if unreadable, the error has to do
		return nil, errors.Join(fmt.Errorf("PgBouncer does not start: %w\n%s", err, log), p.Close())
	}
	return p, nil
}

// listens waits until the address accepts connections.
func listens(address string) error {
	for began := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			return c.Close()
		}
		if time.Since(began) > startTimeout {
			return err
		}
	}
}
