package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// stopTimeout is how long a node may take to stop after a signal. The server promises 10 seconds.
const stopTimeout = 12 * time.Second

// A cluster is a set of nodes, each a process of the reference server.
type cluster struct {
	ctx         context.Context // its end kills all processes
	died        chan error      // receives an error when a node ends on its own
	binary, dir string
	env         []string
	nodes       []*node
	say         func(format string, args ...any)
}

// A node is one server of the cluster. It stays the same across restarts of its process.
type node struct {
	number int

	mu  sync.Mutex
	url string // "" while it is down

	cmd  *exec.Cmd
	gone chan struct{} // closed when the process has ended
}

func (n *node) address() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.url
}

func (n *node) setAddress(url string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.url = url
}

// startCluster builds the server and starts the nodes. The end of ctx kills them.
func startCluster(ctx context.Context, dir string, number int, database, hints string, say func(string, ...any)) (*cluster, error) {
	c := &cluster{ctx: ctx, died: make(chan error, number), binary: filepath.Join(dir, "server"), dir: dir, say: say}
	build := exec.CommandContext(ctx, "go", "build", "-o", c.binary, "github.com/buddychat/buddychat/examples/server")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("the server does not build: %w\n%s", err, out)
	}
	c.env = []string{
		"PATH=" + os.Getenv("PATH"),
		"BUDDYCHAT_ADDR=127.0.0.1:0",
		"BUDDYCHAT_DATABASE=" + database,
		"BUDDYCHAT_SECRET=" + rand.Text() + rand.Text(),
		"BUDDYCHAT_THROTTLE=false",
		"BUDDYCHAT_ACCESS_TOKEN_TTL=24h",
		"BUDDYCHAT_HINTS=" + hints,
	}
	for i := range number {
		c.nodes = append(c.nodes, &node{number: i + 1})
	}
	var all errgroup.Group
	for _, n := range c.nodes {
		all.Go(func() error { return c.start(n) })
	}
	if err := all.Wait(); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

// start starts a node on a free port, which differs from start to start, and waits until it is
// ready.
func (c *cluster) start(n *node) error {
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("node%d.log", n.number)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own copy
	n.cmd = exec.CommandContext(c.ctx, c.binary)
	n.cmd.Dir, n.cmd.Env, n.cmd.Stderr = c.dir, c.env, log
	detach(n.cmd)
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := n.cmd.Start(); err != nil {
		return err
	}
	n.gone = make(chan struct{})
	line, _ := bufio.NewReader(out).ReadString('\n') // the server prints only this line
	url, ready := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if ready {
		n.setAddress(url)
	}
	go c.await(n, n.cmd, n.gone)
	if !ready {
		<-n.gone
		return fmt.Errorf("node %d does not start: see %s", n.number, log.Name())
	}
	return nil
}

// await waits until a node's process ends.
func (c *cluster) await(n *node, cmd *exec.Cmd, gone chan struct{}) {
	defer close(gone)
	_ = cmd.Wait()
	if n.address() != "" && c.ctx.Err() == nil { // the node ended on its own
		n.setAddress("")
		select {
		case c.died <- fmt.Errorf("node %d ended by itself: %s", n.number, cmd.ProcessState):
		default:
		}
	}
}

// end sends a signal to a node and waits until its process has ended.
func (n *node) end(signal os.Signal) error {
	if n.gone == nil {
		return nil
	}
	n.setAddress("")
	_ = n.cmd.Process.Signal(signal) // fails if the process has ended already
	select {
	case <-n.gone:
		return nil
	case <-time.After(stopTimeout):
		_ = n.cmd.Process.Kill()
		<-n.gone
		return fmt.Errorf("node %d did not stop within %v", n.number, stopTimeout)
	}
}

// stop stops all nodes gracefully.
func (c *cluster) stop() error {
	var all errgroup.Group
	for _, n := range c.nodes {
		all.Go(func() error { return n.end(syscall.SIGTERM) })
	}
	return all.Wait()
}

// disturb stops and restarts the nodes in turn, one each interval of length every, until the
// context until ends. When it returns without an error, all nodes are up.
func (c *cluster) disturb(until context.Context, every time.Duration) error {
	if every <= 0 {
		return nil
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for round := 0; ; round++ {
		select {
		case <-tick.C:
		case <-until.Done():
			return nil
		}
		n, signal, how := c.nodes[round%len(c.nodes)], os.Signal(syscall.SIGKILL), "is killed"
		if round%3 == 2 {
			signal, how = syscall.SIGTERM, "is asked to stop"
		}
		c.say("      node %d %s", n.number, how)
		if err := n.end(signal); err != nil {
			return err
		}
		select {
		case <-time.After(every / 4): // keep the node down for a while
		case <-until.Done():
		}
		if err := c.start(n); err != nil {
			return err
		}
	}
}

// up returns the number of nodes that are up.
func (c *cluster) up() (up int) {
	for _, n := range c.nodes {
		if n.address() != "" {
			up++
		}
	}
	return up
}

// any returns the address of a random node that is up, or "" if no node is.
func (c *cluster) any() string {
	for _, i := range mathrand.Perm(len(c.nodes)) {
		if url := c.nodes[i].address(); url != "" {
			return url
		}
	}
	return ""
}
