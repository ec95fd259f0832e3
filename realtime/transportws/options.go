package transportws

import (
	"cmp"
	"encoding/json"
	"errors"
	"log/slog"
	"time"
)

// Options are the limits of a [Server]. Nil is valid, and the zero value of a field means its
// default. [NewServer] refuses negative values, except where a field defines them.
type Options struct {
	// Origins lists the origins whose pages may open sockets, of any scheme, exactly as a browser
	// sends them: "https://app.example.com", "http://localhost:3000", "chrome-extension://…". A
	// pattern with * is refused. Pages from the host of the request may open sockets as well, over
	// http and https only. A request without an Origin header does not come from a page, and is
	// always allowed.
	Origins []string

	// InitTimeout is how long a client may take to send connection_init. Default 10 seconds.
	InitTimeout time.Duration
	// MaxFrameBytes is the size of the largest message that a client may send. Default 256 KiB.
	MaxFrameBytes int
	// MessageTimeout is how long a message may take to arrive once it has begun. After that the
	// connection is cut. Default 30 seconds.
	MessageTimeout time.Duration
	// MaxArrivingBytes is how much the unfinished messages of all sockets may hold together, not
	// counting the first 16 KiB of each. A message that would exceed it closes its socket with
	// CodeTryAgainLater. Default 64 MiB.
	MaxArrivingBytes int
	// MaxOperations is how many operations may run at a time on one socket. One more gets an error
	// frame. Default 100.
	MaxOperations int
	// OverLimit is the payload of that frame, a JSON list of GraphQL errors. Default: one error
	// with the code THROTTLED.
	OverLimit json.RawMessage
	// MessageRate is how many messages a second a client may send, and MessageBurst how many at
	// once above that. More close the socket with CodePolicy. Default 100 and 500. A negative
	// MessageRate means no limit.
	MessageRate  float64
	MessageBurst int
	// FrameRate is how many WebSocket frames a second a client may send that do not carry a whole
	// message: pings, pongs and fragments of messages. FrameBurst is how many at once above that.
	// More close the socket with CodePolicy. Default 100 and 500. A negative FrameRate means no
	// limit.
	FrameRate  float64
	FrameBurst int

	// PingInterval is the time between WebSocket pings. Default 25 seconds. Negative: no pings.
	PingInterval time.Duration
	// PongTimeout is how long a client may take to answer a ping before it counts as dead. Default
	// 10 seconds.
	PongTimeout time.Duration
	// QueueBytes is how much may be queued before operations have to wait. The same amount again
	// may be in the current write, and one result of any size is always accepted. Default 64 KiB.
	QueueBytes int
	// WriteTimeout is how long one write of queued frames may take before the client counts as a
	// slow consumer. Default 10 seconds.
	WriteTimeout time.Duration
	// DrainTimeout is how long operations may continue when the session ends or the server shuts
	// down. Default 3 seconds.
	DrainTimeout time.Duration

	// Logger gets failures of handlers as errors, and the ends of sockets at debug level. It gets
	// no payloads and no headers. Nil logs nothing.
	Logger *slog.Logger
}

// withDefaults returns a copy of o with defaults for zero values, or an error for an invalid field.
func (o *Options) withDefaults() (*Options, error) {
	d := Options{}
	if o != nil {
		d = *o
	}
	switch {
	case d.MaxFrameBytes < 0, d.MaxArrivingBytes < 0, d.MaxOperations < 0, d.MessageBurst < 0, d.FrameBurst < 0, d.QueueBytes < 0:
		return nil, errors.New("transportws: Options has a negative limit: use 0 for the default")
	case d.InitTimeout < 0, d.MessageTimeout < 0, d.PongTimeout < 0, d.WriteTimeout < 0, d.DrainTimeout < 0:
		return nil, errors.New("transportws: Options has a negative timeout: use 0 for the default")
	}
	setDefault(&d.InitTimeout, 10*time.Second)
	setDefault(&d.MaxFrameBytes, 256<<10)
	setDefault(&d.MaxArrivingBytes, 64<<20)
	setDefault(&d.MessageTimeout, 30*time.Second)
	setDefault(&d.MaxOperations, 100)
	setDefault(&d.MessageRate, 100)
	setDefault(&d.MessageBurst, 500)
	setDefault(&d.FrameRate, 100)
	setDefault(&d.FrameBurst, 500)
	setDefault(&d.PingInterval, 25*time.Second)
	setDefault(&d.PongTimeout, 10*time.Second)
	setDefault(&d.QueueBytes, 64<<10)
	setDefault(&d.WriteTimeout, 10*time.Second)
	setDefault(&d.DrainTimeout, 3*time.Second)
	if len(d.OverLimit) == 0 {
		d.OverLimit = json.RawMessage(overLimit)
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	return &d, nil
}

const overLimit = `[{"message":"too many operations on this socket: complete one first","extensions":{"code":"THROTTLED"}}]`

func setDefault[T comparable](field *T, value T) { *field = cmp.Or(*field, value) }
