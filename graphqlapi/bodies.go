package graphqlapi

import (
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/buddychat/buddychat/internal/throttle"
)

const (
	defaultBodiesPerAddress = 100
	defaultBodyMemory       = 64 << 20
	defaultBodyTimeout      = 10 * time.Second
	// freeBodyBytes of each body are not counted. So what a client usually sends is taken, however much the bodies of
	// others hold.
	freeBodyBytes = 16 << 10
	// lingerTimeout is how long the HTTP server may read a body that the handler has not read, to drop it.
	lingerTimeout = time.Second
)

// bodies bounds what unfinished bodies of requests take: how many of one address are read at once, how many bytes all of them
// hold, and how long each may take. Sockets have bounds of their own.
type bodies struct {
	perAddress *throttle.Gauge
	most       int64        // bytes
	held       atomic.Int64 // without what is free
	timeout    time.Duration
}

func newBodies(o *Options) *bodies {
	b := &bodies{most: o.MaxBodyMemory, timeout: o.BodyTimeout}
	if !o.Throttle.Off {
		b.perAddress = throttle.NewGauge(o.MaxBodiesPerAddress)
	}
	return b
}

// A body is that of one request.
type body struct {
	all      *bodies
	deadline func(time.Time) error // for what is read from the connection; it may be unsupported
	has      bool
	read     bool  // to its end
	size     int64 // of what was read
	held     int64 // of it, counted
}

// begin gives a body its time. It comes before anything else: net/http reads a body to its end, up to 256 KiB, also where the
// handler has not, and waits for as long as it takes.
func (b *bodies) begin(w http.ResponseWriter, r *http.Request) *body {
	one := &body{all: b, deadline: http.NewResponseController(w).SetReadDeadline, has: r.ContentLength != 0}
	if one.has {
		_ = one.deadline(time.Now().Add(b.timeout))
	}
	return one
}

// end leaves a body that was not read to net/http, for a moment.
func (b *body) end() {
	if b.has && !b.read {
		_ = b.deadline(time.Now().Add(lingerTimeout))
	}
}

var errBodyMemory = errors.New("all bodies together hold too much")

// readAll reads the body, of up to maxBody bytes. The error is a [*refusal].
func (b *body) readAll(w http.ResponseWriter, r *http.Request, l *limits) ([]byte, error) {
	address := l.addressOf(r)
	if !b.all.perAddress.Acquire(address) {
		w.Header().Set("Connection", "close")
		return nil, l.over("1", "too many unfinished requests from this address: finish one first")
	}
	defer b.all.perAddress.Release(address)
	defer func() { b.all.held.Add(-b.held) }()
	data, err := io.ReadAll(heldReader{b, http.MaxBytesReader(w, r.Body, maxBody)})
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, malformed(http.StatusRequestEntityTooLarge, "the body must have at most %d bytes", maxBody)
	case errors.Is(err, errBodyMemory):
		w.Header().Set("Connection", "close")
		return nil, l.over("1", "the server receives too much at once: try again in 1 s")
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.Header().Set("Connection", "close")
		return nil, malformed(http.StatusRequestTimeout, "the body must arrive within %v", b.all.timeout)
	case err != nil:
		return nil, malformed(http.StatusBadRequest, "the body could not be read whole")
	}
	// The deadline is the connection's: other servers than net/http would keep it for what comes next.
	if b.read = true; b.has {
		_ = b.deadline(time.Time{})
	}
	return data, nil
}

// A heldReader counts what is read as held.
type heldReader struct {
	*body
	from io.Reader
}

func (r heldReader) Read(p []byte) (int, error) {
	n, err := r.from.Read(p)
	r.size += int64(n)
	more := max(0, r.size-freeBodyBytes) - r.held
	r.held += more
	if more > 0 && r.all.held.Add(more) > r.all.most {
		return 0, errBodyMemory
	}
	return n, err
}
