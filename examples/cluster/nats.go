package main

import (
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// openNATS starts a NATS server in this process, on a free port, and returns its address.
func openNATS() (address string, shut func(), err error) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true})
	if err != nil {
		return "", nil, err
	}
	s.Start()
	shut = func() {
		s.Shutdown()
		s.WaitForShutdown()
	}
	if !s.ReadyForConnections(10 * time.Second) {
		shut()
		return "", nil, errors.New("the NATS server does not start")
	}
	return s.ClientURL(), shut, nil
}
