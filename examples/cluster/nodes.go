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

// stopTimeout is how long a node may take to stop when it is asked to. It promises 10 seconds.
const stopTimeout = 12 * time.Second

// A cluster is the nodes, each a process of the reference server.
type cluster struct {
	ctx         context.Context // all processes end with it
	died        chan error      // gets that a node ended which was not asked to
	binary, dir string
	env         []string
	nodes       []*node
	say         func(format string, args ...any)
}

// A node is one of them, from one start to the next.
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

// startCluster builds the server and starts the nodes. They end with ctx at the latest.
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

// start starts a node, and waits until it is ready. It takes a port that is free, another one each time.
func (c *cluster) start(n *node) error {
	log, err := os.OpenFile(filepath.Join(c.dir, fmt.Sprintf("node%d.log", n.number)), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() //nolint:errcheck // the process has its own
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
	line, _ := bufio.NewReader(out).ReadString('\n') // it says one thing only
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

// await waits for the end of a node's process.
func (c *cluster) await(n *node, cmd *exec.Cmd, gone chan struct{}) {
	defer close(gone)
	_ = cmd.Wait()
	if n.address() != "" && c.ctx.Err() == nil { // nobody wished it
		n.setAddress("")
		select {
		case c.died <- fmt.Errorf("node %d ended by itself: %s", n.number, cmd.ProcessState):
		default:
		}
	}
}

// end ends a node by a signal, and returns when it is gone.
func (n *node) end(signal os.Signal) error {
	if n.gone == nil {
		return nil
	}
	n.setAddress("")
	_ = n.cmd.Process.Signal(signal) // it may be gone already
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

// disturb ends a node each time that so much time has passed, one after the other, and starts it again, for as long as until lasts. Then all are up.
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
		case <-time.After(every / 4): // others have to do without it for a while
		case <-until.Done():
		}
		if err := c.start(n); err != nil {
			return err
		}
	}
}

// up returns how many nodes can be reached.
func (c *cluster) up() (up int) {
	for _, n := range c.nodes {
		if n.address() != "" {
			up++
		}
	}
	return up
}

// any returns the address of some node that is up, "" where there is none.
func (c *cluster) any() string {
	for _, i := range mathrand.Perm(len(c.nodes)) {
		if url := c.nodes[i].address(); url != "" {
			return url
		}
	}
	return ""
}
