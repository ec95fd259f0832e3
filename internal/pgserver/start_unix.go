//go:build unix

package pgserver

import (
	"bufio"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

//go:embed server.sh
var script string

// start starts a server that ends with this process. It tries three times, because another process
// may take the port between the check that it is free and its use.
func start(fsync bool) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	for range 3 {
		var s *Server
		if s, err = startFrom(bin, fsync); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func startFrom(bin string, fsync bool) (*Server, error) {
	dir, err := os.MkdirTemp("", "buddychat-postgres-")
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte(password+"\n"), 0o600); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}

	cmd := exec.Command("sh", "-c", script, "sh", dir, bin, port, strconv.FormatBool(fsync))
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // keep terminal interrupts from it
	if cmd.SysProcAttr.Credential, err = owner(dir, filepath.Join(dir, "password")); err != nil {
		return nil, err
	}
	alive, err := cmd.StdinPipe() // the end of this process closes it
	if err != nil {
		return nil, err
	}
	said, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &Server{
		URL:   fmt.Sprintf("postgres://buddychat:%s@127.0.0.1:%s/postgres?sslmode=disable", password, port),
		alive: alive, said: bufio.NewReader(said), cmd: cmd,
	}
	if err := s.answer(); err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log")) // if unreadable, the error has to do
		return nil, errors.Join(fmt.Errorf("PostgreSQL does not start: %w\n%s", err, log), s.Close())
	}
	return s, nil
}

// programs returns the directory of PostgreSQL's programs: that of the initdb on the PATH, else the
// newest version in /usr/lib/postgresql.
func programs() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		p, err = filepath.EvalSymlinks(p)
		return filepath.Dir(p), err
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil || len(found) == 0 {
		return "", errors.New("there is no initdb on the PATH or in /usr/lib/postgresql: install the package postgresql")
	}
	newest, version := "", -1
	for _, p := range found {
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(p)))); err == nil && v > version {
			newest, version = filepath.Dir(p), v
		}
	}
	if newest == "" {
		newest = filepath.Dir(found[0])
	}
	return newest, nil
}

// Program returns the path of a program of the PostgreSQL that [Start] starts, such as pg_dump.
func Program(name string) (string, error) {
	bin, err := programs()
	return filepath.Join(bin, name), err
}

// owner returns the user to run PostgreSQL or PgBouncer as, and gives that user the files. Both
// programs refuse to run as root. If this process is not root, owner does nothing and returns nil.
func owner(paths ...string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if err := os.Chown(path, uid, gid); err != nil {
				return nil, err
			}
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as")
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
