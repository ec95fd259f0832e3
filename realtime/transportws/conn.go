package transportws

import (
	"context"
	"errors"
	"time"
)

// A conn is one WebSocket connection, as far as this package needs one. Read is called by one goroutine at
// a time, Write likewise; everything else may be called at any time.
type conn interface {
	// Read waits for the next text message. errTooBig and errBinary are about a message that was not
	// read, errTooManyFrames about what came in its place, errTooMuchArrives about those of all sockets; any other
	// error says that the connection has ended.
	Read(limit int) ([]byte, error)
	// Write sends each frame as one text message, all of them in one write as far as possible. After an
	// error, [os.ErrDeadlineExceeded] when the timeout has passed, the connection is of no more use.
	Write(frames [][]byte, timeout time.Duration) error
	// Ping sends a ping and waits for its answer, which a concurrent Read takes in.
	Ping(ctx context.Context) error
	// Close sends a close frame and waits, not long, until the peer has answered it.
	Close(code int, reason string)
	// CloseNow cuts the connection, and whatever waits in another method returns.
	CloseNow()
}

var (
	errTooBig = errors.New("message is too big")
	errBinary = errors.New("message is binary")
	// errTooManyFrames says that the client sends more control frames and fragments than it may.
	errTooManyFrames = errors.New("too many frames")
	// errTooMuchArrives says that the unfinished messages of all sockets hold too much.
	errTooMuchArrives = errors.New("too much arrives at once")
)
