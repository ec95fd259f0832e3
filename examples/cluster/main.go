// Command cluster checks that several nodes on one PostgreSQL keep BuddyChat's promises while nodes
// are killed: no event is missed, out of order, duplicated or leaked.
//
//	go run ./examples/cluster
//
// starts a private PostgreSQL and three nodes, which are processes of examples/server, and spreads
// clients over them. Users write to each other in chats, and in groups whose members come and go.
// Each user has two clients, and each client listens on its own WebSocket. Every few seconds a node
// is killed with SIGKILL, or every third time stopped with SIGTERM as for an upgrade, and started
// again. Clients reconnect to another node and resume from their cursors. A message that got no
// answer is sent again with the same clientMessageId. Once a second a line reports the progress:
//
//	12s  sent 2391  delivered 19250  nodes 2/3  resumed 81  p50 7ms  p99 38ms
//
// At the end, the program compares what each client received with the database and prints a
// verdict. The exit status is 0 only if no event was missed, out of order, leaked, or duplicated
// other than right after a resume. The flags are:
//
//	-clients 60             the number of listening clients, two for each user
//	-duration 30s           how long messages are sent
//	-rate 200               messages a second, over all nodes
//	-nodes 3                the number of nodes
//	-kill-every 3s          the time between two kills; 0 kills no node
//	-nats                   send hints by a NATS server in this process, instead of
//	                        LISTEN and NOTIFY
//	-database postgres://…  add users and messages to this database; without it, a private server
//	                        is started
//
// The first interrupt ends the sending, and the verdict follows. The second ends the program at
// once. The program removes its files, except for the logs of the nodes if the run failed.
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

// A config holds the values of the flags.
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

// interruptible runs the program. The first signal ends the sending, the second ends the run.
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
