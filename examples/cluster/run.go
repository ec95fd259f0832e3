package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// arrival is how long to wait for the last events. afterPoll, longer than a poll, is how long
	// to wait after that for events that must not arrive.
	arrival   = 30 * time.Second
	afterPoll = 1500 * time.Millisecond
)

// run does the whole run and returns the verdict. The end of the context sending ends the sending;
// the end of ctx ends the run.
func run(ctx, sending context.Context, c config, out io.Writer) (v verdict, err error) {
	say := sayer(out)
	dir, err := os.MkdirTemp("", "buddychat-cluster-")
	if err != nil {
		return v, err
	}
	defer func() {
		if err == nil && v.err() == nil || errors.Is(err, context.Canceled) {
			err = errors.Join(err, os.RemoveAll(dir))
			return
		}
		say("the logs of the nodes are in %s", dir)
	}()
	database, shut, err := openPostgres(c.database)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, shut()) }()
	hints := "database"
	if c.nats {
		address, shut, err := openNATS()
		if err != nil {
			return v, err
		}
		defer shut()
		hints = address
	}
	nodes, err := startCluster(ctx, dir, c.nodes, database, hints, say)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, nodes.stop()) }()
	return runOn(ctx, sending, c, nodes)
}

// runOn does the run on nodes that are up.
func runOn(ctx, sending context.Context, c config, nodes *cluster) (v verdict, err error) {
	users := c.clients / devicesPerUser
	nodes.say("%d nodes are up; making %d users", c.nodes, users)
	asker := newAPI(nodes, users)
	defer asker.http.CloseIdleConnections()
	w, err := setUp(sending, asker, users)
	if err != nil {
		return v, err
	}
	l := newLoad(w)

	listening, endListening := context.WithCancel(ctx)
	defer endListening()
	all, within := errgroup.WithContext(listening)
	for _, d := range l.devices {
		all.Go(func() error { return l.listen(within, d) })
	}
	all.Go(func() error {
		select {
		case err := <-nodes.died:
			return err
		case <-within.Done():
			return nil
		}
	})
	all.Go(func() error {
		defer endListening()
		if err := l.play(within, sending, c, nodes); err != nil {
			return err
		}
		v, err = l.judge(within)
		return err
	})
	if err := all.Wait(); err != nil {
		return v, err
	}
	if ctx.Err() != nil {
		return v, ctx.Err()
	}
	l.tell(v, nodes.say)
	return v, nil
}

// play sends messages and kills nodes for the configured duration. It ends every conversation with
// a message.
func (l *load) play(ctx, sending context.Context, c config, nodes *cluster) error {
	if err := l.allListen(ctx); err != nil {
		return err
	}
	until, end := context.WithTimeout(sending, c.duration)
	defer end()
	all, within := errgroup.WithContext(ctx)
	all.Go(func() error { return l.drive(within, until, c.rate) })
	all.Go(func() error { return nodes.disturb(until, c.killEvery) })
	all.Go(func() error {
		l.stats.report(until, nodes)
		return nil
	})
	if err := all.Wait(); err != nil {
		return err
	}
	for _, c := range l.conversations {
		if err := l.send(ctx, c.writers[0], -1); err != nil {
			return err
		}
	}
	return nil
}

// judge waits until every event has arrived or the time is up, and returns the verdict.
func (l *load) judge(ctx context.Context) (v verdict, err error) {
	truths, err := l.findTruth(ctx)
	if err != nil {
		return v, err
	}
	var histories []history
	for _, t := range truths {
		histories = append(histories, t.history)
	}
	for deadline := time.Now().Add(arrival); time.Now().Before(deadline); {
		if v := check(histories, l.received()); v.missed == 0 {
			break
		}
		if err := wait(ctx, 200*time.Millisecond); err != nil {
			return v, err
		}
	}
	if err := wait(ctx, afterPoll); err != nil {
		return v, err
	}
	v = check(histories, l.received())
	for _, t := range truths {
		v.add(t.checkStored())
	}
	return v, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell prints the verdict.
func (l *load) tell(v verdict, say func(string, ...any)) {
	s := l.stats
	s.mu.Lock()
	defer s.mu.Unlock()
	line := func(what string, count int, note string) { say("%-12s %9d%s", what, count, note) }
	say("")
	line("sent", s.sent, "   messages that a node answered")
	line("delivered", v.delivered, fmt.Sprintf("   events, each once for each client that was to get it; from the first attempt to send to arrival %s", &s.all))
	line("missed", v.missed, "")
	line("out of order", v.outOfOrder, "")
	line("duplicated", v.duplicated, fmt.Sprintf("   other than right after a resume: of %d resumes, in which %d events came again", s.resumed, v.repeated))
	line("leaked", v.leaked, fmt.Sprintf("   and %d withheld from members who were removed before they came", v.withheld))
}
