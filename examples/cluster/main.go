// Command cluster shows whether several nodes on one PostgreSQL keep what BuddyChat promises while they are killed: nothing missed, nothing out of
// order, nothing twice, nothing leaked.
//
//	go run ./examples/cluster
//
// starts a private PostgreSQL and three nodes, which are processes of examples/server, and spreads clients over them. Users write to each other
// in chats and in groups, in which members come and go; each has two clients that listen on WebSockets of their own. Every few seconds a
// node is killed (-9), or every third time stopped with SIGTERM as for a new version, and started again. Clients go on elsewhere, from their cursors, and what was sent
// and not answered is sent again, with the same clientMessageId. Once a second a line says how it goes:
//
//	12s  sent 2391  delivered 19250  nodes 2/3  resumed 81  p50 7ms  p99 38ms
//
// In the end everything that each client received is held against what the database has, and a verdict is given. The exit status is 0 only if nothing was
// missed, out of order, duplicated other than right after a resume, or leaked. These are the flags:
//
//	-clients 60             sockets that listen, two for each user
//	-duration 30s           for how long messages are sent
//	-rate 200               messages a second, over all nodes
//	-nodes 3                nodes
//	-kill-every 3s          between the end of one node and that of the next; 0 kills none
//	-nats                   carry hints between the nodes on a NATS server within this process, rather than by LISTEN and NOTIFY
//	-database postgres://…  use this database, to which users and messages are added, rather than a private one
//
// An interrupt ends the sending, and the verdict follows; a second one ends everything at once. Nothing is left behind but, where something went wrong, the logs of
// the nodes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// A config is what the flags say.
type config struct {
	clients, nodes      int
	rate                float64
	duration, killEvery time.Duration
	nats                bool
	database            string
}

func main() {
	c, err := parseFlags(os.Args[1:], os.Stderr)
	if err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return
		}
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(2)
	}
	if err := interruptible(c, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func parseFlags(args []string, out io.Writer) (config, error) {
	var c config
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.IntVar(&c.clients, "clients", 60, "let this `number` of clients listen, two for each user")
	flags.DurationVar(&c.duration, "duration", 30*time.Second, "send for this `long`")
	flags.Float64Var(&c.rate, "rate", 200, "send this `number` of messages a second")
	flags.IntVar(&c.nodes, "nodes", 3, "start this `number` of nodes")
	flags.DurationVar(&c.killEvery, "kill-every", 3*time.Second, "end a node, and start it again, each time that this `long` has passed; 0 ends none")
	flags.BoolVar(&c.nats, "nats", false, "carry hints between the nodes on a NATS server within this process")
	flags.StringVar(&c.database, "database", "", "add users and messages to the database at this postgres:// `address`, rather than to a private one")
	if err := flags.Parse(args); err != nil {
		return c, err
	}
	switch {
	case flags.NArg() > 0:
		return c, fmt.Errorf("there is an argument that is no flag: %q", flags.Arg(0))
	case c.clients < devicesPerUser*smallestGroup:
		return c, fmt.Errorf("-clients is %d: give it %d or more", c.clients, devicesPerUser*smallestGroup)
	case c.nodes < 1, c.rate <= 0, c.duration <= 0, c.killEvery < 0:
		return c, errors.New("-nodes, -rate and -duration must be above 0, and -kill-every not below")
	}
	return c, nil
}

// interruptible runs it. The first signal ends the sending, the second everything.
func interruptible(c config, out io.Writer) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	ctx, end := context.WithCancel(context.Background())
	defer end()
	sending, endSending := context.WithCancel(ctx)
	defer endSending()
	go func() {
		for _, act := range []func(){endSending, end} {
			select {
			case <-signals:
				act()
			case <-ctx.Done():
			}
		}
	}()
	v, err := run(ctx, sending, c, out)
	if errors.Is(err, context.Canceled) {
		return errors.New("interrupted before there was a verdict")
	}
	if err != nil {
		return err
	}
	return v.err()
}
