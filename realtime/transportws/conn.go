package transportws

import (
	"context"
	"errors"
	"time"
)

// A conn is one WebSocket connection, reduced to what this package needs. Read must not be called
// concurrently with Read, nor Write with Write. Everything else may be called at any time.
type conn interface {
	// Read waits for the next text message, of at most limit bytes. On errTooBig, errBinary and
	// errTooMuchArrives the message was not read; errTooManyFrames comes instead of a message. Any
	// other error says that the connection has ended.
	Read(limit int) ([]byte, error)
	// Write sends each frame as one text message, all of them in one write as far as possible.
	// After an error the connection is unusable. The error is [os.ErrDeadlineExceeded] when the
	// timeout has passed.
	Write(frames [][]byte, timeout time.Duration) error
	// Ping sends a ping and waits for its answer, which a concurrent Read must receive.
	Ping(ctx context.Context) error
	// Close sends a close frame and waits a short time for the peer's answer.
	Close(code int, reason string)
	// CloseNow closes the connection, and blocked calls of other methods return.
	CloseNow()
}

var (
	errTooBig = errors.New("message is too big")
	errBinary = errors.New("message is binary")
	// errTooManyFrames says that the client exceeded its rate of control frames and fragments.
	errTooManyFrames = errors.New("too many frames")
	// errTooMuchArrives says that the unfinished messages of all sockets exceed
	// Options.MaxArrivingBytes.
	errTooMuchArrives = errors.New("too many unfinished messages")
)
